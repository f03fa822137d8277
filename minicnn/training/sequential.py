"""Sequential: a list of layers that can be compiled, fitted, evaluated and asked for predictions, as in Keras."""

import numpy as np

from .. import losses, metrics, optimizers
from ..backend.base import Backend
from ..backend.select import select
from ..backend.streams import Streams
from ..callbacks import CallbackList
from ..core.tensor import Parameter, Tensor, no_grad
from ..data.batches import validation_split as split_rows
from ..errors import ArgumentError, ArgumentTypeError, MinicnnError, NotBuiltError, require
from ..layers import InputLayer, Layer
from ..layers.base import assign_all, auto_name, positive_int, positive_ints, snake_case
from ..notes import note
from . import loop
from .inputs import Arrays, Augmented, Batches, all_x, check_x, source
from .summary import table


class Sequential:
    """Layers one after the other.

    layers   the first entry may be Input(shape), or the first layer may say input_shape=; else the first data decide
    seed     of every random decision (initial weights, order, dropout, augmentation); None draws one: see model.seed
    device   "cpu", "cuda", "auto", or a Backend;  kernels  "auto", "numba_cpu" or "numpy_ref"
    threads  at most so many on the CPU; None: all cores. Results do not depend on it (kernels="numba_cpu")
    """

    def __init__(self, layers=None, name=None, *, seed=None, device: str | Backend = "cpu", kernels="auto", threads=None):
        ok = seed is None or (hasattr(seed, "__index__") and 0 <= int(seed) < 2**64)
        require(ok, "seed", "a whole number from 0 to 2^64 - 1, or None", repr(seed), error=ArgumentError)
        self.backend = select(device, kernels, threads)
        self.streams = Streams(None if seed is None else int(seed))
        self.name = name or auto_name("Sequential")
        self.layers: list[Layer] = []
        self.input_shape: tuple[int, ...] | None = None
        self.optimizer: optimizers.Optimizer | None = None
        self.loss: losses.Loss | None = None
        self.metrics: list = []
        self.weighted_metrics: list = []
        self.history = None
        self.stop_training = False
        for layer in layers or ():
            self.add(layer)

    # layers and weights ----------------------------------------------------------------------------------------------

    seed = property(lambda self: self.streams.seed)
    built = property(lambda self: bool(self.layers) and all(layer.built for layer in self.layers))
    output_shape = property(lambda self: self.layers[-1].output_shape if self.layers else self.input_shape)

    def add(self, layer: Layer) -> None:
        """Append a layer; once the input's shape is known its weights are made at once."""
        if isinstance(layer, type) and issubclass(layer, Layer):
            raise ArgumentTypeError(f"add: expected a layer, received the class {layer.__name__}; write {layer.__name__}(...)")
        require(isinstance(layer, Layer), "add", "a layer", repr(layer), error=ArgumentTypeError)
        if isinstance(layer, InputLayer):
            require(self.input_shape is None and not self.layers, "add", "Input as the first entry", "a second or late one",
                    error=ArgumentError)  # fmt: skip
            self.input_shape = layer.input_shape
            return
        taken = any(layer is known or layer.name == known.name for known in self.layers)
        require(not taken, "add", "a name that no other layer has", repr(layer.name), error=ArgumentError)
        first = layer.input_shape if not self.layers and self.input_shape is None else self.input_shape
        if first is not None:
            self._attach(layer, len(self.layers), self.output_shape if self.layers else first)
        self.input_shape = first
        self.layers.append(layer)

    def pop(self) -> Layer:
        """Remove the last layer and return it."""
        require(self.layers, "pop", "at least one layer", "none", error=NotBuiltError)
        return self.layers.pop()

    def _attach(self, layer: Layer, index: int, shape) -> None:
        if layer.built:  # by another model, whose weights it goes on sharing
            require(layer.input_shape == shape, f"add: {layer.name}", f"samples of the shape {layer.input_shape} that it is "
                    "built for", shape)  # fmt: skip
            require(layer.be.dtype == self.backend.dtype and layer.be.name == self.backend.name, f"add: {layer.name}",
                    f"a model on {layer.be.describe()}", self.backend.describe(), error=ArgumentError)  # fmt: skip
            return
        layer.attach(self.backend, self.streams, index, shape)
        kind = snake_case(type(layer).__name__)
        before = sum(snake_case(type(known).__name__) == kind for known in self.layers[:index])
        prefix = layer.name if layer.named else f"{kind}_{before}" if before else kind
        for p in layer.params:  # names in files do not depend on what else the process has built
            p.path = f"{prefix}/{p.path.rpartition('/')[2]}"

    def build(self, input_shape=None) -> None:
        """Make all weights for batches of input_shape (None, H, W, C)."""
        require(self.layers, f"{self.name}", "at least one layer", "none", error=NotBuiltError)
        if self.built:
            return
        shape = self.input_shape if input_shape is None else positive_ints("build: input_shape", tuple(input_shape)[1:])
        require(shape is not None, f"{self.name}: build", "input_shape=(None, H, W, C)", "none", error=NotBuiltError)
        new = [layer for layer in self.layers if not layer.built]
        try:
            size = shape
            for index, layer in enumerate(self.layers):
                self._attach(layer, index, size)
                size = layer.output_shape
        except MinicnnError:
            for layer in new:
                layer.built = False  # half a network is none: the next shape starts afresh
            raise
        self.input_shape = shape

    def ensure_built(self, x) -> None:
        """Build for the shape of x where no shape has been given."""
        if not self.built:
            self.build((self.input_shape and (None, *self.input_shape)) or x.shape)

    @property
    def weights(self) -> list[Parameter]:
        """Layer by layer, trainable first: the order of get_weights, set_weights and files."""
        return [p for layer in self.layers for p in layer.weights]

    @property
    def trainable_weights(self) -> list[Parameter]:
        return [p for layer in self.layers for p in layer.trainable_weights]

    @property
    def non_trainable_weights(self) -> list[Parameter]:
        return [p for layer in self.layers for p in layer.non_trainable_weights]

    def count_params(self) -> int:
        """How many numbers the weights hold."""
        require(self.built, self.name, "a built model", "none", "call build((None, H, W, C))", error=NotBuiltError)
        return sum(layer.count_params() for layer in self.layers)

    def get_weights(self) -> list[np.ndarray]:
        """Copies of all weights."""
        return [p.numpy().copy() for p in self.weights]

    def set_weights(self, values) -> None:
        """Replace all weights: every shape is checked before any weight changes."""
        assign_all(self.name, self.weights, values)

    def save_weights(self, path, overwrite: bool = True) -> None:
        """Write the weights as safetensors."""
        from ..io.weights import save_weights

        save_weights(self, path, overwrite=overwrite)

    def load_weights(self, path) -> None:
        """Read weights that save_weights wrote; names and shapes must agree."""
        from ..io.weights import load_weights

        load_weights(self, path)

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """A layer by its name or its number."""
        if index is not None:
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ArgumentError(f"get_layer: expected one of {', '.join(layer.name for layer in self.layers)}, received {name!r}")

    def summary(self, line_length: int | None = None, print_fn=None, show_trainable: bool = False) -> "_Printed":
        """Print Keras's table of layers, shapes and parameter counts."""
        (print_fn or print)(table(self, line_length, show_trainable))
        return _Printed()

    # arithmetic ------------------------------------------------------------------------------------------------------

    def forward(self, x: Tensor, *, training: bool, logits: bool = False) -> Tensor:
        """x through all layers.  logits: stop before the last layer's activation."""
        *body, last = self.layers
        for layer in body:
            x = layer.call(x, training=training)
        return last.preactivation(x, training=training) if logits else last.call(x, training=training)

    def __call__(self, x, training: bool = False):
        """Outputs for a batch: a Tensor for a Tensor, a NumPy array for anything else."""
        if isinstance(x, Tensor):
            self.ensure_built(x)
            y = self.forward(x, training=training)
        else:
            with no_grad():
                y = self.forward(Tensor(check_x(self, x, "x"), self.backend), training=training).numpy()
        if training:
            self.commit()
        return y

    def commit(self) -> None:
        """End a step: layers take over what it left (moving averages), the next one draws other random numbers."""
        for layer in self.layers:
            layer.commit()
        self.streams.step += 1

    # training --------------------------------------------------------------------------------------------------------

    def compile(self, optimizer="rmsprop", loss=None, metrics=None, weighted_metrics=None, **unknown) -> None:
        """Choose how to learn: an optimizer, a loss and metrics, each by name, function or instance."""
        for name, plain in {"loss_weights": None, "run_eagerly": None, "steps_per_execution": 1, "jit_compile": None}.items():
            if unknown.pop(name, plain) not in (plain, False, "auto"):
                note(f"compile({name}=...) has no effect here")
        if unknown:
            raise ArgumentTypeError(f"compile: expected optimizer, loss, metrics, received {', '.join(map(repr, unknown))}")
        optimizer, loss = optimizers.get(optimizer), None if loss is None else losses.get(loss)
        require(loss is None or loss.reduction != "none", "compile: loss", "a loss that is one number", 'reduction "none"',
                error=ArgumentError)  # fmt: skip
        metrics, weighted_metrics = _metrics(metrics), _metrics(weighted_metrics)
        self.optimizer, self.loss, self.metrics, self.weighted_metrics = optimizer, loss, metrics, weighted_metrics

    metrics_names = property(lambda self: ["loss", *(m.name for m in (*self.metrics, *self.weighted_metrics))])

    def metric_direction(self, name: str) -> str | None:
        """ "min" or "max" for a compiled metric, None for any other name."""
        found = (m.direction for m in (*self.metrics, *self.weighted_metrics) if m.name == name)
        return "min" if name == "loss" else next(found, None)

    @property
    def fused(self) -> bool:
        """Whether the loss is computed from the logits of the last layer's own activation."""
        last = getattr(self.layers[-1], "activation", None)
        return last is not None and last is self.loss.fused and not getattr(self.loss, "from_logits", False)

    def _ready(self, where: str) -> None:
        require(self.layers, where, "a model with layers", "an empty one", error=NotBuiltError)
        ok = self.loss is not None
        require(ok, where, "a compiled model", "none", 'call compile("adam", "categorical_crossentropy")', error=NotBuiltError)

    def fit(self, x=None, y=None, batch_size=None, epochs=1, verbose="auto", callbacks=None, validation_split=0.0,
            validation_data=None, shuffle=True, class_weight=None, sample_weight=None, initial_epoch=0,
            steps_per_epoch=None, validation_steps=None, validation_batch_size=None, validation_freq=1):  # fmt: skip
        """Train; return the History.  Arguments as in Keras; a second fit goes on where the first stopped.

        x is an array (with y), an ImageDataGenerator's flow, or an iterable of batches (with steps_per_epoch if endless).
        Everything is checked before anything changes. Raises NonFiniteError at the first batch whose loss is not finite;
        Ctrl-C leaves the model as it was after the last whole step, and is raised on.
        """
        self._ready("fit")
        positive_int("fit: epochs", epochs)
        for name, value in {"batch_size": batch_size, "steps_per_epoch": steps_per_epoch,
                            "validation_steps": validation_steps, "validation_batch_size": validation_batch_size,
                            "validation_freq": validation_freq}.items():  # fmt: skip
            if value is not None:
                positive_int(f"fit: {name}", value)
        if validation_split:
            x, y, sample_weight, validation_data = _held_out(x, y, sample_weight, validation_split, validation_data)
        train = source(self, x, y, batch_size, sample_weight, class_weight)
        held_out = None if validation_data is None else self._validation(validation_data, validation_batch_size or batch_size)
        steps = steps_per_epoch or train.steps
        names = self.metrics_names + [f"val_{n}" for n in self.metrics_names if held_out] + ["learning_rate"]
        hooks = CallbackList(callbacks, add_history=True, add_progbar=verbose != 0, model=self,
                             params={"verbose": 1 if verbose == "auto" else int(verbose), "epochs": epochs, "steps": steps})  # fmt: skip
        hooks.check_monitor(names)
        self.optimizer.build(self.trainable_weights or self.weights)
        self.stop_training = False
        try:
            with self.backend.running():
                hooks.on_train_begin()
                epoch_logs = {}
                for epoch in range(initial_epoch, epochs):
                    hooks.on_epoch_begin(epoch)
                    logs = loop.RunningLogs(self)
                    loop.train_epoch(self, train, steps, shuffle, logs, hooks, epoch)
                    epoch_logs = logs.result()
                    self.streams.epoch += 1
                    if held_out is not None and (epoch + 1) % validation_freq == 0:
                        tested = self._test(held_out, validation_steps, hooks)
                        epoch_logs |= {f"val_{name}": value for name, value in tested.items()}
                    hooks.on_epoch_end(epoch, epoch_logs)
                    if self.stop_training:
                        break
                hooks.on_train_end(epoch_logs)
        finally:
            hooks.close()
        return self.history

    def _validation(self, data, batch_size):
        if isinstance(data, (tuple, list)) and len(data) in (2, 3):
            return Arrays(self, data[0], data[1], batch_size or 32, data[2] if len(data) == 3 else None, what="validation x")
        ok = hasattr(data, "__iter__") and not hasattr(data, "shape")
        require(ok, "fit: validation_data", "(x, y) or batches", type(data).__name__, error=ArgumentTypeError)
        return source(self, data, None, None, what="validation x")

    def _test(self, data, steps, hooks) -> dict[str, float]:
        logs = loop.RunningLogs(self)
        hooks.on_test_begin()
        if isinstance(data, (Augmented, Batches)):
            loop.evaluate_batches(self, data, steps or data.steps, logs, hooks)
        else:
            loop.evaluate(self, data, logs, hooks)
        hooks.on_test_end(logs.result())
        return logs.result()

    def evaluate(self, x=None, y=None, batch_size=None, verbose="auto", sample_weight=None, steps=None, callbacks=None,
                 return_dict=False):  # fmt: skip
        """Loss and metrics on data: the loss alone, [loss, metrics...], or a dict."""
        self._ready("evaluate")
        data = source(self, x, y, batch_size, sample_weight)
        hooks = self._hooks(callbacks, verbose, steps or data.steps)
        try:
            with self.backend.running():
                logs = self._test(data, steps, hooks)
        finally:
            hooks.close()
        values = [logs[name] for name in self.metrics_names]
        return logs if return_dict else values if len(values) > 1 else values[0]

    def predict(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None) -> np.ndarray:
        """Outputs for all of x, (N, *output_shape).  They do not depend on batch_size, which paces callbacks alone.

        x is an array, a flow, or an iterable of batches (`steps` of them, if it is endless).
        """
        require(self.layers, "predict", "a model with layers", "an empty one", error=NotBuiltError)
        x = check_x(self, all_x(x, steps), "x")
        batch = 32 if batch_size is None else positive_int("predict: batch_size", batch_size)
        count = -(-len(x) // batch)
        hooks = self._hooks(callbacks, verbose, count)
        out = np.empty((len(x), *self.output_shape), self.backend.dtype)
        try:
            with self.backend.running():
                hooks.on_predict_begin()
                tiles, done = loop.infer(self, x, logits=False), 0
                for step in range(count):
                    hooks.on_predict_batch_begin(step)
                    while done < min((step + 1) * batch, len(x)):
                        rows, y = next(tiles)
                        out[rows], done = self.backend.to_numpy(y), rows.stop
                    hooks.on_predict_batch_end(step, {"outputs": out[step * batch : (step + 1) * batch]})
                hooks.on_predict_end()
        finally:
            hooks.close()
        return out

    def _hooks(self, callbacks, verbose, steps) -> CallbackList:
        params = {"verbose": 1 if verbose == "auto" else int(verbose), "epochs": 1, "steps": steps}
        return CallbackList(callbacks, add_progbar=verbose != 0, model=self, params=params)

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
        """One step on one batch: the loss alone, [loss, metrics...], or a dict."""
        self._ready("train_on_batch")
        batch = Arrays(self, x, y, len(x), sample_weight, class_weight)
        self.optimizer.build(self.trainable_weights or self.weights)
        logs = loop.RunningLogs(self)
        with self.backend.running():
            ((xb, yb, t, w),) = batch.batches(self.backend, self.streams, False, 1)
            loss, predicted = loop.train_step(self, xb, t, w)
            logs.add(loss, yb, predicted, w)
        values = logs.result()
        listed = [values[name] for name in self.metrics_names]
        return values if return_dict else listed if len(listed) > 1 else listed[0]

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """Loss and metrics on one batch."""
        return self.evaluate(x, y, batch_size=len(x), verbose=0, sample_weight=sample_weight, return_dict=return_dict)

    def predict_on_batch(self, x) -> np.ndarray:
        """Outputs for one batch."""
        return self.predict(x, batch_size=len(x), verbose=0)

    # Keras 2 ---------------------------------------------------------------------------------------------------------

    def fit_generator(self, generator, steps_per_epoch=None, epochs=1, verbose="auto", callbacks=None, **kwargs):
        """Old name of fit."""
        note("fit_generator(...) is fit(...)")
        for name in ("workers", "use_multiprocessing", "max_queue_size"):
            kwargs.pop(name, None)
        return self.fit(generator, epochs=epochs, verbose=verbose, callbacks=callbacks, steps_per_epoch=steps_per_epoch, **kwargs)

    def evaluate_generator(self, generator, steps=None, **kwargs):
        """Old name of evaluate."""
        note("evaluate_generator(...) is evaluate(...)")
        return self.evaluate(generator, steps=steps, **kwargs)

    def predict_classes(self, x, batch_size=32, verbose=0) -> np.ndarray:
        """Class numbers (N,): argmax of predict, or output > .5 for a single output."""
        note("predict_classes(x) is predict(x).argmax(axis=-1)")
        y = self.predict(x, batch_size=batch_size, verbose=verbose)
        return y.argmax(axis=-1) if y.shape[-1] > 1 else (y > 0.5).astype(np.int64)

    def predict_proba(self, x, batch_size=32, verbose=0) -> np.ndarray:
        """Old name of predict."""
        note("predict_proba(x) is predict(x)")
        return self.predict(x, batch_size=batch_size, verbose=verbose)


class _Printed:
    """What summary() returns, so that print(model.summary()) does not end with "None"."""

    def __str__(self):
        note("summary() prints the table itself; print(...) around it is not needed")
        return ""

    def __repr__(self):
        return ""


def _metrics(given) -> list:
    listed = given if isinstance(given, (list, tuple)) else [] if given is None else [given]
    return [metrics.get(m) for m in listed]


def _held_out(x, y, sample_weight, fraction, validation_data):
    """The last rows as validation data, cut before any shuffling."""
    ok = validation_data is None and hasattr(x, "shape") and y is not None
    require(ok, "fit: validation_split", "arrays x and y and no validation_data", "something else", error=ArgumentError)
    train, held_out = split_rows(len(x), fraction)
    y = np.asarray(y)
    weights = (None, None) if sample_weight is None else (np.asarray(sample_weight)[train], np.asarray(sample_weight)[held_out])
    return x[train], y[train], weights[0], (x[held_out], y[held_out], *((weights[1],) if sample_weight is not None else ()))
