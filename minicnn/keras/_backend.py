"""keras.backend and keras.ops as far as custom losses and metrics use them: functions of tensors, with gradients.

Arrays and numbers are taken too; then the answer is a tensor without a tape, which NumPy reads as an array.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import activations
from ..backend.cpu import CPU
from ..core.symbol import Symbol
from ..core.tensor import Tensor
from ..errors import ArgumentError, UnsupportedError, require
from ..layers import images
from ..naming import counts
from ..notes import note
from ..ops import arithmetic as A
from ..ops import compare as C
from ..ops import join as J
from ..ops import reduce as R
from ..ops import shape as S

_settings = {"epsilon": 1e-7}


_loose = CPU("numpy_ref", "float32")
_loose.joins = True


def tensor(x) -> Any:
    """x as a tensor, of Keras's float type if it is none; what stands for a layer's output stays.

    A constant so made goes to the device and float type of the tensors that it is put together with.  Of a list that
    holds tensors they are stacked, with their gradients.
    """
    if isinstance(x, (Tensor, Symbol)):
        return x
    return J.stack(*map(tensor, x), axis=0) if _holds_tensors(x) else Tensor(np.asarray(x, np.float32), _loose)


def _holds_tensors(x) -> bool:
    return isinstance(x, (list, tuple)) and any(isinstance(one, (Tensor, Symbol)) or _holds_tensors(one) for one in x)


def _lifted(function):
    """`function` of tensors for arrays and numbers as well: the first argument becomes a tensor if none is one."""

    def lifted(x, *others, **options):
        if not any(isinstance(a, (Tensor, Symbol)) for a in (x, *others)):
            x = tensor(x)
        return function(x, *others, **options)

    lifted.__name__, lifted.__doc__ = function.__name__, function.__doc__
    return lifted


def _reduction(function):
    def reduction(x, axis=None, keepdims=False):
        axis = tuple(axis) if isinstance(axis, list) else axis
        return function(tensor(x), axis=axis, keepdims=keepdims)

    reduction.__doc__ = function.__doc__
    return reduction


def unary(function, doc: str = ""):
    """`function` of a tensor for arrays and numbers as well."""

    def of_all(x):
        return function(tensor(x))

    of_all.__doc__ = doc or function.__doc__
    return of_all


def square(x):
    """y = x^2."""
    x = tensor(x)
    return x * x


def power(x, a):
    """y = x^a; with a tensor or several numbers for a, x has to be above 0."""
    if isinstance(a, (Tensor, Symbol)) or np.ndim(a):
        return A.exp(A.log(tensor(x)) * a)
    return A.power(tensor(x), exponent=float(np.asarray(a)))


def clip(x, min_value, max_value):
    """y = min(max(x, min_value), max_value)."""
    if any(isinstance(bound, (Tensor, Symbol)) or np.ndim(bound) for bound in (min_value, max_value)):
        return A.minimum(A.maximum(tensor(x), min_value), max_value)
    return A.clip(tensor(x), low=float(np.asarray(min_value)), high=float(np.asarray(max_value)))


def std(x, axis=None, keepdims=False):
    """The square root of the variance over `axis`."""
    return A.sqrt(var(x, axis, keepdims))


def any_(x, axis=None, keepdims=False):
    """1 where anything along `axis` is not 0."""
    return maximum_of(C.not_equal(tensor(x), 0), axis, keepdims)


def all_(x, axis=None, keepdims=False):
    """1 where nothing along `axis` is 0."""
    return minimum_of(C.not_equal(tensor(x), 0), axis, keepdims)


def cast(x, dtype):
    """x in another type: whole numbers are cut, truth values are 0 and 1; float types stay the engine's own."""
    x, kind = tensor(x), np.dtype("bool" if dtype == "bool" else dtype).kind
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
    x = tensor(x)
    at = axis % (x.ndim + 1)
    return S.reshape(x, shape=(*x.shape[:at], 1, *x.shape[at:]))


def squeeze(x, axis=None):
    """x without `axis`, or several, which are 1; None: without all that are."""
    x = tensor(x)
    ones = tuple(i for i, n in enumerate(x.shape) if n == 1)
    gone = ones if axis is None else R.axes_of(axis, x.ndim)
    for at in gone:
        require(x.shape[at] == 1, "squeeze", f"axis {at} of 1", x.shape[at])
    return S.reshape(x, shape=tuple(n for i, n in enumerate(x.shape) if i not in gone)) if gone else x


def reshape(x, shape):
    """The same elements in another shape."""
    return S.reshape(tensor(x), shape=tuple(n if n is None else int(n) for n in shape))


def flatten(x):
    """All elements along one axis."""
    return S.reshape(tensor(x), shape=(-1,))


def batch_flatten(x):
    """(N, ...) -> (N, the rest)."""
    return S.flatten(tensor(x))


def permute_dimensions(x, pattern):
    """The axes in another order."""
    return S.transpose(tensor(x), axes=tuple(pattern))


def transpose(x, axes=None):
    """The axes in another order; None reverses them."""
    return S.transpose(tensor(x), axes=axes)


def dot(x, y):
    """The sum over the last axis of x and the last but one of y: (..., K) (K, M), and vectors."""
    x = tensor(x)
    y = y if isinstance(y, (Tensor, Symbol)) else np.asarray(y, x.dtype)
    if y.ndim == 1:
        return R.total(x * y, axis=-1)
    rest = (*y.shape[:-2], y.shape[-1])
    if y.ndim > 2:
        order = (y.ndim - 2, *range(y.ndim - 2), y.ndim - 1)
        of_tensors = isinstance(y, (Tensor, Symbol))
        y = S.reshape(S.transpose(y, axes=order), shape=(y.shape[-2], -1)) if of_tensors else (
            np.ascontiguousarray(y.transpose(order)).reshape(y.shape[-2], -1))  # fmt: skip
    wide = S.reshape(x, shape=(-1, x.shape[-1]))
    return S.reshape(A.matmul(wide, y), shape=(*x.shape[:-1], *rest))


def switch(condition, then_expression, else_expression):
    """then_expression where the condition holds, else else_expression; either may be a function without arguments."""
    a, b = (e() if callable(e) else e for e in (then_expression, else_expression))
    return _lifted(C.where)(condition, a, b)


def l2_normalize(x, axis=None):
    """x / sqrt(max(sum x^2, 1e-12)) along `axis`."""
    x = tensor(x)
    return x / A.sqrt(A.maximum(R.total(x * x, axis=axis, keepdims=True), 1e-12))


def relu(x, alpha=0.0, max_value=None, threshold=0.0):
    """max(x, 0), or with a slope below, a ceiling and another threshold: the words of Keras 2."""
    return activations.relu(x, alpha, max_value, threshold)


def binary_crossentropy(target, output, from_logits=False):
    """-[t log p + (1 - t) log(1 - p)], element by element."""
    output = tensor(output)
    if from_logits:
        return activations.softplus(output) - output * target
    p = clip(output, epsilon(), 1 - epsilon())
    return -(A.log(p) * target + A.log(1.0 - p) * (1.0 - target))


def categorical_crossentropy(target, output, from_logits=False, axis=-1):
    """-sum t log p over `axis`; p is scaled to sum 1."""
    output = tensor(output)
    if from_logits:
        logs = output - R.logsumexp(output, axis=axis, keepdims=True)
    else:
        logs = A.log(clip(output / R.total(output, axis=axis, keepdims=True), epsilon(), 1 - epsilon()))
    return -R.total(logs * target, axis=axis)


def one_hot(indices, num_classes):
    """(...) class numbers -> (..., num_classes) of 0 and 1."""
    numbers = tensor(indices)
    return C.equal(expand_dims(numbers), np.arange(num_classes, dtype=numbers.dtype))


def ones_like(x, dtype=None):
    """Ones of the shape of x."""
    return C.filled(tensor(x), value=1.0)


def zeros_like(x, dtype=None):
    """Zeros of the shape of x."""
    return C.filled(tensor(x), value=0.0)


def constant(value, dtype=None, shape=None, name=None):
    """A tensor that holds `value`."""
    x = np.asarray(value, np.float32)
    return tensor(x if shape is None else np.broadcast_to(x, shape))


def stop_gradient(x):
    """x, through which no gradient flows."""
    x = tensor(x)
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
    known: dict[str, str] = dict(zip(("tf", "th", *images.FORMATS), images.FORMATS * 2, strict=True))
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
    "abs": unary(A.absolute), "all": all_, "any": any_, "argmax": lambda x, axis=-1: C.argmax(tensor(x), axis=axis),
    "argmin": lambda x, axis=-1: C.argmin(tensor(x), axis=axis), "clip": clip, "concatenate": concatenate,
    "cast": cast, "cos": unary(A.cos), "dot": dot, "equal": _lifted(C.equal), "exp": unary(A.exp),
    "expand_dims": expand_dims, "greater": _lifted(C.greater), "greater_equal": _lifted(C.greater_equal),
    "less": _lifted(C.less), "less_equal": _lifted(C.less_equal), "log": unary(A.log), "logsumexp": logsumexp,
    "max": maximum_of, "maximum": _lifted(A.maximum), "mean": mean, "min": minimum_of, "minimum": _lifted(A.minimum),
    "not_equal": _lifted(C.not_equal), "ones_like": ones_like, "one_hot": one_hot, "prod": prod, "reshape": reshape,
    "round": unary(C.rounded), "shape": shape, "sign": unary(C.sign),
    "sin": unary(A.sin), "sqrt": unary(A.sqrt), "square": square, "squeeze": squeeze, "stack": stack, "std": std,
    "stop_gradient": stop_gradient, "sum": sum_, "transpose": transpose, "var": var,
    "where": _lifted(C.where), "zeros_like": zeros_like,
    "cumsum": lambda x, axis=0: R.cumulative_sum(tensor(x), axis=axis),
    "tile": lambda x, repeats: J.tile(tensor(x), repeats=tuple(repeats)),
    **{name: getattr(activations, name) for name in (
        "elu", "hard_sigmoid", "sigmoid", "softmax", "softplus", "softsign", "tanh")},
}  # fmt: skip
BACKEND = _SHARED | {
    f.__name__: f for f in (
        backend, batch_flatten, binary_crossentropy, categorical_crossentropy, clear_session, constant, epsilon,
        flatten, floatx, get_value, image_data_format, image_dim_ordering, l2_normalize, learning_phase, ndim,
        permute_dimensions, set_epsilon, set_floatx, set_image_data_format, set_learning_phase, switch)
} | {"pow": power, "eval": get_value, "int_shape": shape, "variable": constant,
     "set_image_dim_ordering": set_image_data_format, "is_nan": unary(C.isnan), "relu": relu,
     "is_keras_tensor": lambda x: isinstance(x, Symbol)}
OPS: dict[str, Callable] = _SHARED | {
    "absolute": unary(A.absolute), "add": _lifted(A.add), "amax": maximum_of, "amin": minimum_of,
    "ceil": unary(C.ceil), "binary_crossentropy": binary_crossentropy,
    "categorical_crossentropy": categorical_crossentropy,
    "convert_to_numpy": get_value, "convert_to_tensor": lambda x, dtype=None: tensor(x), "divide": _lifted(A.divide),
    "floor": unary(C.floor), "isnan": unary(C.isnan),
    "argmax": lambda x, axis=None: C.argmax(tensor(x), axis=axis),
    "argmin": lambda x, axis=None: C.argmin(tensor(x), axis=axis),
    "matmul": _lifted(A.matmul), "multiply": _lifted(A.multiply), "negative": unary(A.negative), "power": power,
    "subtract": _lifted(A.subtract), "normalize": lambda x, axis=-1: l2_normalize(x, axis),
    **activations.FUNCTIONS, "hard_swish": activations.hard_swish, "swish": activations.swish,
}  # fmt: skip
