"""The real Keras in a process of its own: `python -m tests.parity.keras_worker float64` answers requests on stdin.

A request names a function of this file; its keyword arguments are the header's options, its arrays the frame's.
The environment, set by the parent, chooses the backend (JAX on the CPU) and JAX_ENABLE_X64.
"""

import functools
import os
import sys
import traceback
import warnings

import jax
import jax.numpy as jnp
import keras
import numpy as np

import minicnn.recipes

from .graphs import GRAPHS, arithmetic
from .networks import build
from .wire import pack, receive, send, unpack


def versions(arrays):
    dtype = str(jnp.ones(1, keras.config.floatx()).dtype)
    return {"keras": keras.__version__, "jax": jax.__version__, "dtype": dtype}, {}


def table(arrays, what):
    """Layer by layer: class name, automatic name, output shape, numbers of weights; and the summary as text."""
    model, lines = build(keras, what), []
    rows = [[type(layer).__name__, list(layer.output.shape[1:]), [list(w.shape) for w in layer.get_weights()]]
            for layer in model.layers]  # fmt: skip
    model.summary(print_fn=lines.append, line_length=160)
    return {"rows": rows, "summary": "\n".join(lines), "total": model.count_params()}, {}


def passes(arrays, what, training, loss):
    """Forward and backward: every output, its gradient, every weight's gradient, the moving averages after.

    loss: "cross-entropy" with one-hot y, or "dot": sum(output * y), y being a cotangent.
    """
    model, differentiate = _differentiated(what, training, loss)
    model.set_weights(unpack("w", arrays))
    x, y = (jnp.asarray(arrays[name], keras.config.floatx()) for name in "xy")
    probes = [jnp.zeros_like(x)] + [jnp.zeros((len(x), *layer.output.shape[1:]), x.dtype) for layer in model.layers]
    weights = ([v.value for v in group] for group in (model.trainable_variables, model.non_trainable_variables))
    (value, (outputs, moving)), (dw, dy) = differentiate(*weights, probes, x, y)
    return {"loss": float(value)}, pack("out", outputs) | pack("dout", dy) | pack("dw", dw) | pack("moving", moving)


@functools.cache
def _differentiated(what, training, loss):
    """The model, and a compiled function that differentiates its loss by weights and probes."""
    model = build(keras, what)

    def run(trainable, others, probes, x, y):
        """probes: zeros added to the input and to every output, so that their gradients are the outputs'."""
        state = [*zip(model.trainable_variables, trainable, strict=True),
                 *zip(model.non_trainable_variables, others, strict=True)]  # fmt: skip
        outputs = []
        with keras.StatelessScope(state_mapping=state) as scope:
            h = x + probes[0]
            for layer, probe in zip(model.layers, probes[1:], strict=True):
                if hasattr(layer, "finalize_state"):  # Normalization, whose figures weights alone do not set
                    layer.finalize_state()
                outputs.append(layer(h, training=training))
                h = outputs[-1] + probe
            value = (h * y).sum() if loss == "dot" else keras.losses.CategoricalCrossentropy()(y, h)
        return value, (outputs, [scope.get_current_value(v) for v in model.non_trainable_variables])

    return model, jax.jit(jax.value_and_grad(run, argnums=(0, 2), has_aux=True))


def steps(arrays, what, optimizer):
    """train_on_batch over batches x0 y0, x1 y1, ...: loss, accuracy and all weights after each."""
    model = build(keras, what)
    model.set_weights(unpack("w", arrays))
    model.compile(_optimizer(**optimizer), "categorical_crossentropy", metrics=["accuracy"])
    values, after = [], {}
    for i, (x, y) in enumerate(zip(unpack("x", arrays), unpack("y", arrays), strict=True)):
        values.append([float(v) for v in model.train_on_batch(x, y)])
        after |= pack(f"step{i}w", model.get_weights())
    return {"values": values}, after


def fit(arrays, what, optimizer, loss, metrics, options):
    """fit without shuffling, then evaluate and predict."""
    model = build(keras, what)
    model.set_weights(unpack("w", arrays))
    model.compile(_optimizer(**optimizer), loss, metrics=metrics)
    x, y = arrays["x"], arrays["y"]
    weights = {"sample_weight": arrays["sample_weight"]} if "sample_weight" in arrays else {}
    if "class_weight" in options:
        options["class_weight"] = {int(k): v for k, v in options["class_weight"].items()}  # JSON's keys are strings
    history = model.fit(x, y, shuffle=False, verbose=0, **options, **weights).history
    found = {"history": history, "evaluated": [float(v) for v in model.evaluate(x, y, batch_size=7, verbose=0)]}
    return found, pack("w", model.get_weights()) | {"predicted": model.predict(x, verbose=0)}


def optimize(arrays, optimizer):
    """Steps with given gradients: parameters p0, p1, ..., gradients g0_0, g0_1, ... of step 0 etc.; p after each."""
    variables = [keras.Variable(p) for p in unpack("p", arrays)]
    rule = _optimizer(**optimizer)
    rule.build(variables)
    step = jax.jit(rule.stateless_apply)
    state, values, after, t = [v.value for v in rule.variables], [v.value for v in variables], {}, 0
    while gradients := unpack(f"g{t}_", arrays):
        values, state = step(state, [jnp.asarray(g) for g in gradients], values)
        after |= pack(f"p{t}_", values)
        t += 1
    return {}, after


def loss_values(arrays, name, options):
    """A loss with optional sample weights, and its gradient by y_pred."""
    loss, y, w = getattr(keras.losses, name)(**options), jnp.asarray(arrays["y"]), arrays.get("w")
    f = lambda p: loss(y, p, sample_weight=w)  # noqa: E731
    p = jnp.asarray(arrays["p"])
    return {}, {"value": np.asarray(f(p)), "gradient": np.asarray(jax.grad(lambda p: f(p).sum())(p))}


def function_values(arrays, path, options, listed=False):
    """A function's value, and the gradients of <value, cotangent> by x0, x1, ...; listed: it takes a list."""
    function = functools.reduce(getattr, path.split("."), keras)
    places = ("indices", "segment_ids")  # arrays; other lists are sizes, axes and the like
    options = {name: np.array(value) if name in places else tuple(value) if isinstance(value, list) else value
               for name, value in options.items()}  # fmt: skip
    xs = [jnp.asarray(x) for x in unpack("x", arrays)]

    def call(*xs):
        return jnp.asarray(function(list(xs), **options) if listed else function(*xs, **options), xs[0].dtype)

    value = call(*xs)
    cotangent = jnp.asarray(arrays["cotangent"])
    gradients = jax.grad(lambda xs: (call(*xs) * cotangent).sum())(xs)
    return {}, {"value": np.asarray(value)} | pack("g", gradients)


def metric_values(arrays, name, options):
    """A metric's result after each of several batches."""
    metric, results, weights = getattr(keras.metrics, name)(**options), [], iter(unpack("w", arrays))
    for y, p in zip(unpack("y", arrays), unpack("p", arrays), strict=True):
        metric.update_state(y, p, sample_weight=next(weights, None))
        results.append(np.asarray(metric.result(), float).tolist())
    return {"results": results}, {}


def trace(arrays, name, options, epochs, learning_rate):
    """What a callback does to a model that logs `epochs`, a list of dicts: see callback_trace.play."""
    from .callback_trace import play

    return {"trace": play(keras, name, options, epochs, learning_rate)}, {}


def initial(arrays, name, options, shape):
    return {}, {"values": np.asarray(getattr(keras.initializers, name)(seed=1, **options)(shape))}


def write_files(arrays, what, path, optimizer=None, options=None):
    """A Keras model with given weights, some training steps on it, and its files path.keras and path.weights.h5."""
    model = _described(what)
    model.set_weights(unpack("w", arrays))
    for layer in model.layers:
        if hasattr(layer, "finalize_state"):  # Normalization, which set_weights leaves with its old figures
            layer.finalize_state()
    if optimizer is not None:
        model.compile(_optimizer(**optimizer), **(options or {"loss": "categorical_crossentropy"}))
        for x, y in zip(unpack("x", arrays), unpack("y", arrays), strict=True):
            model.train_on_batch(x, y)
    model.save(path + ".keras")
    model.save_weights(path + ".weights.h5")
    return _inspected(model, arrays["x0"])


def read_file(arrays, path, what=None, more=0):
    """Keras's view of path: a .keras file, or weights for the model `what`; then `more` training steps."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Keras warns, and goes on, when an optimizer's state does not fit
        if what is None:
            model = keras.saving.load_model(path)
        else:
            model = _described(what)
            model.load_weights(path)
    header, found = _inspected(model, arrays["x0"])
    header["losses"] = [float(np.ravel(model.train_on_batch(arrays["x0"], arrays["y0"]))[0]) for _ in range(more)]
    if header["config"] is not None:
        model.save(path.replace(".keras", ".again.keras"))
    return header, found


def write_graph(arrays, what, path, options):
    """A graph of graphs.py after one training step, if there is a loss, and its file; then one step more."""
    model = (GRAPHS | {"arithmetic": arithmetic})[what](keras)
    x, y = _several("x", arrays), _several("y", arrays)
    if options["loss"] is not None:
        model.compile(keras.optimizers.Adam(0.01), **options)
        model.train_on_batch(x, y)
    model.save(path)
    return _seen(model, x, y, options["loss"] is not None)


def read_graph(arrays, path):
    """Keras's view of a graph's file; then, of a .keras file, one step."""
    model = keras.saving.load_model(path)
    x, y = _several("x", arrays), _several("y", arrays)
    return _seen(model, x, y, path.endswith(".keras") and model.compiled)


def _several(name, arrays):
    found = unpack(name, arrays)
    return found if len(found) > 1 else found[0]


def _seen(model, x, y, step):
    found = pack("w", model.get_weights()) | pack("p", _listed(model.predict(x, verbose=0)))
    header = {"layers": [layer.name for layer in model.layers]}
    return header | ({"loss": float(np.ravel(model.train_on_batch(x, y))[0])} if step else {}), found


def _listed(value):
    return value if isinstance(value, list) else [value]


def _described(what):
    recipe = minicnn.recipes.BY_NAME.get(what)
    return build(keras, what) if recipe is None else recipe.build(keras)


def _inspected(model, x):
    optimizer = getattr(model, "optimizer", None)
    variables = [] if optimizer is None else optimizer.variables
    header = {
        "layers": [[type(layer).__name__, layer.name, list(layer.output.shape[1:])] for layer in model.layers],
        "optimizer": None if optimizer is None else type(optimizer).__name__,
        "config": None if optimizer is None else optimizer.get_config(),
        "metrics": [] if optimizer is None else model.metrics_names,
        "json": model.to_json(),
    }
    return header, pack("w", model.get_weights()) | pack("o", variables) | {"y": np.asarray(model(x, training=False))}


def _optimizer(name, schedule=None, **options):
    if schedule:
        kind, *arguments = schedule
        options["learning_rate"] = getattr(keras.optimizers.schedules, kind)(*arguments)
    return getattr(keras.optimizers, name)(**options)


def keep_float64() -> None:
    """Keras rounds some float64 results (batch norm's outputs) to float32 on all backends but TensorFlow; undo that."""
    from keras.src.backend.common import dtypes

    dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"
    assert keras.backend.result_type("float64", "float32") == "float64"


def main() -> None:
    keras.config.set_floatx(sys.argv[1])
    if sys.argv[1] == "float64":
        keep_float64()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever Keras prints goes to stderr
    while (request := receive(sys.stdin.buffer)) is not None:
        header, arrays = request
        try:
            send(answers, *globals()[header["task"]](arrays, **header["options"]))
        except Exception:
            send(answers, {"error": traceback.format_exc()}, {})


if __name__ == "__main__":
    main()
