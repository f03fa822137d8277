"""keras.backend and keras.ops as far as custom losses and metrics use them: functions of tensors, with gradients.

Arrays and numbers are taken too; then the answer is a tensor without a tape, which NumPy reads as an array.
"""

import numpy as np

from ..core.tensor import Tensor
from ..errors import ArgumentError, UnsupportedError, require
from ..layers import images
from ..naming import counts
from ..notes import note
from ..ops import activation as V
from ..ops import arithmetic as A
from ..ops import compare as C
from ..ops import join as J
from ..ops import reduce as R
from ..ops import shape as S

_settings = {"epsilon": 1e-7}


def _tensor(x) -> Tensor:
    """x as a tensor, of Keras's float type if it is none."""
    return x if isinstance(x, Tensor) else Tensor(np.asarray(x, np.float32))


def _lifted(function):
    """`function` of tensors for arrays and numbers as well: the first argument becomes a tensor if none is one."""

    def lifted(x, *others, **options):
        if not any(isinstance(a, Tensor) for a in (x, *others)):
            x = _tensor(x)
        return function(x, *others, **options)

    lifted.__name__, lifted.__doc__ = function.__name__, function.__doc__
    return lifted


def _reduction(function):
    def reduction(x, axis=None, keepdims=False):
        axis = tuple(axis) if isinstance(axis, list) else axis
        return function(_tensor(x), axis=axis, keepdims=keepdims)

    reduction.__doc__ = function.__doc__
    return reduction


def _unary(function):
    def unary(x):
        return function(_tensor(x))

    unary.__doc__ = function.__doc__
    return unary


def square(x):
    """y = x^2."""
    x = _tensor(x)
    return x * x


def power(x, a):
    """y = x^a for a number a."""
    return A.power(_tensor(x), exponent=float(np.asarray(a)))


def clip(x, min_value, max_value):
    """y = min(max(x, min_value), max_value)."""
    return A.clip(_tensor(x), low=float(np.asarray(min_value)), high=float(np.asarray(max_value)))


def std(x, axis=None, keepdims=False):
    """The square root of the variance over `axis`."""
    return A.sqrt(var(x, axis, keepdims))


def any_(x, axis=None, keepdims=False):
    """1 where anything along `axis` is not 0."""
    return maximum_of(C.not_equal(_tensor(x), 0), axis, keepdims)


def all_(x, axis=None, keepdims=False):
    """1 where nothing along `axis` is 0."""
    return minimum_of(C.not_equal(_tensor(x), 0), axis, keepdims)


def cast(x, dtype):
    """x in another type: whole numbers are cut, truth values are 0 and 1; float types stay the engine's own."""
    x, kind = _tensor(x), np.dtype("bool" if dtype == "bool" else dtype).kind
    if kind == "b":
        return C.not_equal(x, 0)
    return C.sign(x) * C.floor(A.absolute(x)) if kind in "iu" else x


def concatenate(tensors, axis=-1):
    """The tensors one after the other along `axis`."""
    tensors = list(tensors)
    return _lifted(J.concatenate)(*tensors, axis=axis)


def stack(x, axis=0):
    """Tensors of one shape along a new axis."""
    return _lifted(J.stack)(*x, axis=axis)


def expand_dims(x, axis=-1):
    """x with a new axis of 1."""
    x = _tensor(x)
    at = axis % (x.ndim + 1)
    return S.reshape(x, shape=(*x.shape[:at], 1, *x.shape[at:]))


def squeeze(x, axis):
    """x without `axis`, which is 1."""
    x = _tensor(x)
    at = axis % x.ndim
    require(x.shape[at] == 1, "squeeze", f"axis {axis} of 1", x.shape[at])
    return S.reshape(x, shape=(*x.shape[:at], *x.shape[at + 1 :]))


def reshape(x, shape):
    """The same elements in another shape."""
    return S.reshape(_tensor(x), shape=tuple(int(n) for n in shape))


def flatten(x):
    """All elements along one axis."""
    return S.reshape(_tensor(x), shape=(-1,))


def batch_flatten(x):
    """(N, ...) -> (N, the rest)."""
    return S.flatten(_tensor(x))


def permute_dimensions(x, pattern):
    """The axes in another order."""
    return S.transpose(_tensor(x), axes=tuple(pattern))


def transpose(x, axes=None):
    """The axes in another order; None reverses them."""
    return S.transpose(_tensor(x), axes=axes)


def dot(x, y):
    """The matrix product over the last axis of x and the first of y (N, K) (K, M)."""
    x, y = _tensor(x), y if isinstance(y, Tensor) else np.asarray(y)
    wide = S.reshape(x, shape=(-1, x.shape[-1]))
    return S.reshape(A.matmul(wide, y), shape=(*x.shape[:-1], y.shape[-1]))


def switch(condition, then_expression, else_expression):
    """then_expression where the condition holds, else else_expression; either may be a function without arguments."""
    a, b = (e() if callable(e) else e for e in (then_expression, else_expression))
    return _lifted(C.where)(condition, a, b)


def l2_normalize(x, axis=None):
    """x / sqrt(max(sum x^2, 1e-12)) along `axis`."""
    x = _tensor(x)
    return x / A.sqrt(A.maximum(R.total(x * x, axis=axis, keepdims=True), 1e-12))


def softmax(x, axis=-1):
    """exp x / sum exp x over `axis`."""
    x = _tensor(x)
    if axis in (-1, x.ndim - 1):
        return V.softmax(x)
    return A.exp(x - R.logsumexp(x, axis=axis, keepdims=True))


def relu(x, negative_slope=0.0, max_value=None, threshold=0.0, alpha=None):
    """max(x, 0), or with a slope below, a ceiling and another threshold."""
    slope = negative_slope if alpha is None else alpha
    return V.relu_general(_tensor(x), max_value=max_value, negative_slope=slope, threshold=threshold)


def binary_crossentropy(target, output, from_logits=False):
    """-[t log p + (1 - t) log(1 - p)], element by element."""
    output = _tensor(output)
    if from_logits:
        return V.softplus(output) - output * target
    p = clip(output, epsilon(), 1 - epsilon())
    return -(A.log(p) * target + A.log(1.0 - p) * (1.0 - target))


def categorical_crossentropy(target, output, from_logits=False, axis=-1):
    """-sum t log p over `axis`; p is scaled to sum 1."""
    output = _tensor(output)
    if from_logits:
        logs = output - R.logsumexp(output, axis=axis, keepdims=True)
    else:
        logs = A.log(clip(output / R.total(output, axis=axis, keepdims=True), epsilon(), 1 - epsilon()))
    return -R.total(logs * target, axis=axis)


def one_hot(indices, num_classes):
    """(...) class numbers -> (..., num_classes) of 0 and 1."""
    numbers = _tensor(indices)
    return C.equal(expand_dims(numbers), np.arange(num_classes, dtype=numbers.dtype))


def ones_like(x, dtype=None):
    """Ones of the shape of x."""
    return C.equal(_tensor(x), _tensor(x))


def zeros_like(x, dtype=None):
    """Zeros of the shape of x."""
    return C.not_equal(_tensor(x), _tensor(x))


def constant(value, dtype=None, shape=None, name=None):
    """A tensor that holds `value`."""
    x = np.asarray(value, np.float32)
    return Tensor(x if shape is None else np.broadcast_to(x, shape))


def stop_gradient(x):
    """x, through which no gradient flows."""
    x = _tensor(x)
    return Tensor.of(x.data, x.be, None)


def get_value(x):
    """A tensor's or weight's values as NumPy; a number as it is (K.get_value(optimizer.learning_rate))."""
    return x.numpy() if hasattr(x, "numpy") else x


def shape(x):
    """The shape as a tuple."""
    return tuple(np.shape(x)) if not hasattr(x, "shape") else tuple(x.shape)


def ndim(x):
    """The number of axes."""
    return len(shape(x))


def epsilon():
    """The fuzz factor, 1e-7 unless it was set."""
    return _settings["epsilon"]


def set_epsilon(value):
    """Another fuzz factor for the functions of this module."""
    _settings["epsilon"] = float(value)


def floatx():
    """ "float32": the type in which networks compute."""
    return "float32"


def set_floatx(value):
    """Only "float32": float64 is chosen with Sequential(device=...)."""
    if value != "float32":
        raise UnsupportedError(f'set_floatx: minicnn.keras computes in "float32", received {value!r}')


def image_data_format():
    """What data_format=None means to a layer: "channels_last", unless it was set."""
    return images.default["data_format"]


def set_image_data_format(data_format):
    """What data_format=None means to layers that are made from now on: "channels_last" or "channels_first"."""
    known = dict(zip(("tf", "th", *images.FORMATS), images.FORMATS * 2, strict=True))
    ok = isinstance(data_format, str) and data_format in known
    expected = '"channels_last" or "channels_first"'
    require(ok, "set_image_data_format", expected, repr(data_format), error=ArgumentError)
    images.default["data_format"] = known[data_format]


def image_dim_ordering():
    """Keras 1's words: "tf" for channels last, "th" for channels first."""
    return "tf" if image_data_format() == "channels_last" else "th"


def clear_session(free_memory=True):
    """Nothing to do: models of minicnn share no state.  Names of new layers begin at their first number again."""
    counts.clear()


def backend():
    """ "minicnn"."""
    return "minicnn"


def learning_phase():
    """0: whether a layer trains is said by the call."""
    return 0


def set_learning_phase(value):
    """Has no effect here."""
    note("set_learning_phase has no effect: fit trains, predict and evaluate do not")


sum_, mean, var = _reduction(R.total), _reduction(R.mean), _reduction(R.variance)
maximum_of, minimum_of, prod = _reduction(R.amax), _reduction(R.amin), _reduction(R.product)
logsumexp = _reduction(R.logsumexp)

_SHARED = {
    "abs": _unary(A.absolute), "all": all_, "any": any_, "argmax": lambda x, axis=-1: C.argmax(_tensor(x), axis=axis),
    "argmin": lambda x, axis=-1: C.argmin(_tensor(x), axis=axis), "clip": clip, "concatenate": concatenate,
    "cast": cast, "cos": _unary(A.cos), "dot": dot, "equal": _lifted(C.equal), "exp": _unary(A.exp),
    "expand_dims": expand_dims, "greater": _lifted(C.greater), "greater_equal": _lifted(C.greater_equal),
    "less": _lifted(C.less), "less_equal": _lifted(C.less_equal), "log": _unary(A.log), "logsumexp": logsumexp,
    "max": maximum_of, "maximum": _lifted(A.maximum), "mean": mean, "min": minimum_of, "minimum": _lifted(A.minimum),
    "not_equal": _lifted(C.not_equal), "ones_like": ones_like, "one_hot": one_hot, "prod": prod, "reshape": reshape,
    "relu": relu, "round": _unary(C.rounded), "shape": shape, "sigmoid": _unary(V.sigmoid), "sign": _unary(C.sign),
    "sin": _unary(A.sin), "softmax": softmax, "softplus": _unary(V.softplus), "softsign": _unary(V.softsign),
    "sqrt": _unary(A.sqrt), "square": square, "squeeze": squeeze, "stack": stack, "std": std,
    "stop_gradient": stop_gradient, "sum": sum_, "tanh": _unary(V.tanh), "transpose": transpose, "var": var,
    "where": _lifted(C.where), "zeros_like": zeros_like,
    "cumsum": lambda x, axis=0: R.cumulative_sum(_tensor(x), axis=axis),
    "tile": lambda x, repeats: J.tile(_tensor(x), repeats=tuple(repeats)),
}  # fmt: skip
BACKEND = _SHARED | {
    f.__name__: f for f in (
        backend, batch_flatten, binary_crossentropy, categorical_crossentropy, clear_session, constant, epsilon,
        flatten, floatx, get_value, image_data_format, image_dim_ordering, l2_normalize, learning_phase, ndim,
        permute_dimensions, set_epsilon, set_floatx, set_image_data_format, set_learning_phase, switch)
} | {"pow": power, "eval": get_value, "int_shape": shape, "variable": constant,
     "set_image_dim_ordering": set_image_data_format, "elu": lambda x, alpha=1.0: V.elu(_tensor(x), alpha=alpha),
     "hard_sigmoid": _unary(V.hard_sigmoid), "is_nan": _unary(C.isnan)}
OPS = _SHARED | {
    "absolute": _unary(A.absolute), "add": _lifted(A.add), "amax": maximum_of, "amin": minimum_of,
    "ceil": _unary(C.ceil), "binary_crossentropy": binary_crossentropy,
    "categorical_crossentropy": categorical_crossentropy,
    "convert_to_numpy": get_value, "convert_to_tensor": lambda x, dtype=None: _tensor(x), "divide": _lifted(A.divide),
    "floor": _unary(C.floor), "isnan": _unary(C.isnan), "log_softmax": _unary(V.log_softmax),
    "matmul": _lifted(A.matmul), "multiply": _lifted(A.multiply), "negative": _unary(A.negative), "power": power,
    "subtract": _lifted(A.subtract), "elu": _unary(V.elu), "gelu": _unary(V.gelu), "selu": _unary(V.selu),
    "silu": _unary(V.silu), "normalize": lambda x, axis=-1: l2_normalize(x, axis),
}  # fmt: skip
