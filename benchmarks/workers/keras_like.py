"""The measurements through Keras's API, for keras and for minicnn: fit, predict and train_on_batch."""

import time
from types import SimpleNamespace

from protocol import WARM_UP


class WithoutDropout:
    """A library's layers, but nothing is dropped: random streams differ between libraries."""

    def __init__(self, layers):
        self._layers = layers

    def __getattr__(self, name):
        return getattr(self._layers, name)

    def Dropout(self, rate):
        return self._layers.Dropout(0.0)


class KerasLike:
    """A subclass has `ways`, `describe`, and `source(way, batches)` for augmented batches.  lib: keras or minicnn."""

    tail = {}  # noqa: RUF012  way: batches that it makes ahead; an epoch is so much longer than what is timed

    def __init__(self, lib, problem, **kwargs):
        self.lib, self.problem, self.kwargs = lib, problem, kwargs
        self.model = self.compiled(problem.recipe.make_optimizer(lib), lib)

        class Clock(lib.callbacks.Callback):
            """Seconds from the end of batch `first` to the end of batch `last`, both with their results arrived."""

            async_safe = True  # in both libraries: the next batch need not wait for the results of this one

            def on_epoch_begin(self, epoch, logs=None):
                self.start = time.perf_counter()

            def on_train_batch_end(self, batch, logs=None):
                if batch + 1 in (self.first, self.last):
                    self.loss = float(logs["loss"])
                    self.start, self.seconds = time.perf_counter(), time.perf_counter() - self.start

        self.clock = Clock()

    def compiled(self, optimizer, lib, before=()):
        """The recipe's network with the given weights; `before` it: layers that augment."""
        problem = self.problem
        model = problem.recipe.build(lib, **self.kwargs)
        model.set_weights(problem.weights)
        if before:
            model = lib.Sequential([lib.Input((28, 28, 1)), *before, *model.layers])
        model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
        return model

    def train(self, steps, way=None):
        problem, model = self.problem, self.model
        first = WARM_UP if steps > 1 else 0
        self.clock.first, self.clock.last = first, first + steps
        batches = first + steps + self.tail.get(way, 0)
        if way is None:
            data = {"x": problem.x[problem.rows(batches)], "y": problem.y[problem.rows(batches)],
                    "batch_size": problem.recipe.batch_size}  # fmt: skip
        else:
            model, data = self.source(way, batches)
        model.fit(**data, epochs=1, verbose=0, callbacks=[self.clock])
        return self.clock.seconds / steps, self.clock.loss

    def predict(self, batch_size):
        x = self.problem.x_predict
        start = time.perf_counter()
        found = self.model.predict(x, batch_size=batch_size, verbose=0)
        seconds = time.perf_counter() - start
        assert found.shape == (len(x), 10)
        return seconds

    def agree(self, learning_rate):
        lib = self.lib
        exact = SimpleNamespace(layers=WithoutDropout(lib.layers), Input=lib.Input, Sequential=lib.Sequential)
        model = self.compiled(lib.optimizers.Adam(learning_rate), exact)
        return [float(model.train_on_batch(x, y)[0]) for x, y in self.problem.batches()]
