"""Network A of the Kaggle recipe for any library with Keras's names; `rate` scales its dropout (0: none)."""

import time


def build(lib, rate: float = 1.0, **kwargs):
    layers = lib.layers
    return lib.Sequential(
        [
            lib.Input((28, 28, 1)),
            layers.Conv2D(32, 5, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.Conv2D(32, 5, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25 * rate),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2, strides=2),
            layers.Dropout(0.25 * rate),
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.5 * rate),
            layers.Dense(10, activation="softmax"),
        ],
        **kwargs,
    )


class KerasLike:
    """The four measurements through Keras's API: fit, predict and train_on_batch.  lib: keras or minicnn."""

    def __init__(self, lib, problem, **kwargs):
        self.lib, self.problem, self.kwargs = lib, problem, kwargs
        self.model = self._compiled(rate=1.0)

        class Clock(lib.callbacks.Callback):
            """Seconds between an epoch's first moment and its last, when all its results have arrived."""

            def on_epoch_begin(self, epoch, logs=None):
                self.start = time.perf_counter()

            def on_epoch_end(self, epoch, logs=None):
                self.seconds, self.loss = time.perf_counter() - self.start, float(logs["loss"])

        self.clock = Clock()

    def _compiled(self, rate, optimizer="Adam", learning_rate=1e-3):
        model = build(self.lib, rate, **self.kwargs)
        model.set_weights(self.problem.weights)
        rule = getattr(self.lib.optimizers, optimizer)(learning_rate)
        model.compile(rule, "categorical_crossentropy", metrics=["accuracy"])
        return model

    def train(self, steps):
        rows = slice(0, steps * self.problem.batch_size)
        x, y = self.problem.x[rows], self.problem.y[rows]
        self.model.fit(x, y, batch_size=self.problem.batch_size, epochs=1, verbose=0, callbacks=[self.clock])
        return self.clock.seconds / steps, self.clock.loss

    def predict(self):
        start = time.perf_counter()
        found = self.model.predict(self.problem.x_predict, batch_size=1000, verbose=0)
        seconds = time.perf_counter() - start
        assert found.shape == (len(self.problem.x_predict), 10)
        return seconds

    def agree(self, optimizer, learning_rate):
        model = self._compiled(0.0, optimizer, learning_rate)
        return [float(model.train_on_batch(x, y)[0]) for x, y in self.problem.batches()]
