"""Further functions of keras.ops, keras.backend and tf, put together from those of _backend.py, gradients included.

What only asks (logical_and, isfinite, in_top_k) or makes constants (zeros, arange) has none.
"""

import itertools
import math
import string
from collections.abc import Callable

import numpy as np

from .. import activations
from ..arguments import index
from ..core.symbol import Symbol
from ..core.tensor import Tensor
from ..errors import ArgumentError, UnsupportedError, require
from ..ops import arithmetic as A
from ..ops import compare as C
from ..ops import conv, pool
from ..ops import join as J
from ..ops import reduce as R
from ..ops import shape as S
from ..ops.geometry import resolve_pads
from . import _backend as B
from ._random import BACKEND as DRAWS
from ._random import made, sizes

tensor = B.tensor


# elementwise ----------------------------------------------------------------------------------------------------------


def floor_divide(x1, x2):
    """floor(x1 / x2), without a gradient."""
    return C.floor(tensor(x1) / x2)


def mod(x1, x2):
    """x1 - x2 floor(x1 / x2)."""
    x1 = tensor(x1)
    return x1 - C.floor(x1 / x2) * x2


def divide_no_nan(x1, x2):
    """x1 / x2, and 0 where x2 is 0."""
    x2 = tensor(x2)
    nothing = C.equal(x2, 0)
    return C.where(nothing, 0.0, x1 / (x2 + nothing))


def xlogy(x, y):
    """x log y, and 0 where x is 0."""
    x, y = tensor(x), tensor(y)
    nothing = C.equal(x, 0)
    return C.where(nothing, 0.0, x * A.log(C.where(nothing, 1.0, y)))


def logaddexp(x1, x2):
    """log(exp x1 + exp x2) = b + log(1 + exp(a - b)), b the larger one."""
    x1, x2 = (tensor(x1), x2) if isinstance(x1, (Tensor, Symbol)) else (tensor(x1), tensor(x2))
    above, same = C.greater(x1, x2), C.equal(x1, x2) * isinf(x1)  # infinity less itself is not a number
    a, b = C.where(above, x2, x1), C.where(above, x1, x2)
    return activations.softplus(C.where(same, 0.0, a) - C.where(same, 0.0, b)) + b


def isfinite(x):
    """1 where x is neither infinite nor not a number."""
    x = tensor(x)
    return C.equal(x - x, 0)


def isinf(x):
    """1 where x is infinite."""
    return C.isinf(tensor(x))


def isclose(x1, x2, rtol=1e-5, atol=1e-8):
    """1 where |x1 - x2| <= atol + rtol |x2|, and where both are the same infinity."""
    return C.isclose(tensor(x1), tensor(x2), rtol=rtol, atol=atol)


def nan_to_num(x, nan=0.0, posinf=None, neginf=None):
    """x, and `nan` where it is not a number; infinity becomes the largest number there is, or posinf and neginf."""
    x = tensor(x)
    most = float(np.finfo(x.dtype).max)
    infinite = C.isinf(x)
    x = C.where(infinite * C.greater(x, 0), most if posinf is None else posinf, x)
    x = C.where(infinite * C.less(x, 0), -most if neginf is None else neginf, x)
    return C.where(C.isnan(x), nan, x)


def logical_and(x1, x2):
    """1 where both are not 0."""
    return C.not_equal(tensor(x1), 0) * C.not_equal(tensor(x2), 0)


def logical_or(x1, x2):
    """1 where one at least is not 0."""
    return A.maximum(C.not_equal(tensor(x1), 0), C.not_equal(tensor(x2), 0))


def logical_xor(x1, x2):
    """1 where exactly one is not 0."""
    return C.not_equal(C.not_equal(tensor(x1), 0), C.not_equal(tensor(x2), 0))


def logical_not(x):
    """1 where x is 0."""
    return C.equal(tensor(x), 0)


UNARY = {
    "arctan": B.unary(A.arctan, "arctan x."), "cosh": B.unary(lambda x: (A.exp(x) + A.exp(-x)) * 0.5, "cosh x."),
    "erf": B.unary(A.erf, "The error function."), "exp2": B.unary(lambda x: A.exp(x * math.log(2)), "2^x."),
    "expm1": B.unary(A.expm1, "exp x - 1."),
    "log10": B.unary(lambda x: A.log(x) * (1 / math.log(10)), "log x to base 10."),
    "log1p": B.unary(A.log1p, "log(1 + x)."),
    "log2": B.unary(lambda x: A.log(x) * (1 / math.log(2)), "log x to base 2."),
    "reciprocal": B.unary(lambda x: 1.0 / x, "1 / x."), "rsqrt": B.unary(lambda x: 1.0 / A.sqrt(x), "1 / sqrt x."),
    "sinh": B.unary(lambda x: (A.expm1(x) - A.expm1(-x)) * 0.5, "sinh x."),
    "tan": B.unary(lambda x: A.sin(x) / A.cos(x), "tan x."),
    "trunc": B.unary(lambda x: C.sign(x) * C.floor(A.absolute(x)), "x towards 0, whole."),
}  # fmt: skip

# reductions and products ----------------------------------------------------------------------------------------------


def norm(x, ord=None, axis=None, keepdims=False):
    """The length of vectors: ord None, 2 or "euclidean" sqrt(sum x^2), 1 sum |x|, inf max |x|; "fro" of a matrix."""
    x, axis = tensor(x), tuple(axis) if isinstance(axis, list) else axis
    if ord in (None, 2, "fro", "euclidean"):
        return A.sqrt(R.total(x * x, axis=axis, keepdims=keepdims))
    if ord == 1:
        return R.total(A.absolute(x), axis=axis, keepdims=keepdims)
    require(ord == math.inf, "norm: ord", "None, 1, 2, inf or 'fro'", repr(ord), error=ArgumentError)
    return R.amax(A.absolute(x), axis=axis, keepdims=keepdims)


def matrix_norm(x, ord=None, axis=None, keepdims=False):
    """norm, but over two axes ord 1 is the largest sum of a column's |x|, and inf of a row's."""
    x = tensor(x)
    pair = R.axes_of(axis, x.ndim)
    if ord not in (1, 2, math.inf) or len(pair) != 2:
        return norm(x, ord, axis, keepdims)
    if ord == 2:
        raise UnsupportedError("norm: minicnn has no spectral norm of matrices")
    column, row = pair if ord == 1 else pair[::-1]
    largest = R.amax(R.total(A.absolute(x), axis=column, keepdims=True), axis=row, keepdims=True)
    return largest if keepdims else R.total(largest, axis=pair)


def moments(x, axes, keepdims=False):
    """(mean, variance) over `axes`."""
    return B.mean(x, axes, keepdims), B.var(x, axes, keepdims)


def average(x, axis=None, weights=None):
    """The mean, weighted if there are weights of x's shape or of one axis."""
    if weights is None:
        return B.mean(x, axis)
    x, weights = tensor(x), tensor(weights)
    if weights.ndim == 1 and x.ndim > 1:
        shape = [1] * x.ndim
        shape[axis] = -1
        weights = S.reshape(weights, shape=tuple(shape)) + B.zeros_like(x)
    return R.total(x * weights, axis=axis) / R.total(weights, axis=axis)


def count_nonzero(x, axis=None, keepdims=False):
    """How many are not 0."""
    return B.sum_(C.not_equal(tensor(x), 0), axis, keepdims)


def matmul(x1, x2):
    """The matrix product over the last axis of x1 and the last but one of x2; leading axes are a batch."""
    x1, x2 = tensor(x1), tensor(x2)
    if x2.ndim <= 2:
        return B.dot(x1, x2)
    ok = x1.ndim == x2.ndim and x1.shape[:-2] == x2.shape[:-2]
    require(ok, "matmul", f"x1 of shape ({', '.join(map(str, x2.shape[:-2]))}, I, {x2.shape[-2]})", x1.shape)
    a, b = (S.reshape(x, shape=(-1, *x.shape[-2:])) for x in (x1, x2))
    return S.reshape(J.batch_matmul(a, b), shape=(*x1.shape[:-1], x2.shape[-1]))


def tensordot(x1, x2, axes: int | tuple = 2):
    """The sum over pairs of axes: a number, the last of x1 with the first of x2; or two lists."""
    x1, x2 = tensor(x1), tensor(x2)
    if isinstance(axes, int):
        axes = (range(x1.ndim - axes, x1.ndim), range(axes))
    first, second = ([a % x.ndim for a in ([one] if isinstance(one, int) else one)]
                     for x, one in zip((x1, x2), axes, strict=True))  # fmt: skip
    left, right = ([i for i in range(x.ndim) if i not in used] for x, used in ((x1, first), (x2, second)))
    n = math.prod(x1.shape[i] for i in first)
    a = S.reshape(S.transpose(x1, axes=(*left, *first)), shape=(-1, n))
    b = S.reshape(S.transpose(x2, axes=(*second, *right)), shape=(n, -1))
    return S.reshape(A.matmul(a, b), shape=(*(x1.shape[i] for i in left), *(x2.shape[i] for i in right)))


def batch_dot(x, y, axes=None):
    """Sample by sample: the sum over one axis of each; (N, D) with (N, D) is (N, 1)."""
    x, y = tensor(x), tensor(y)
    if x.ndim == y.ndim == 2:
        return R.total(x * y, axis=1, keepdims=True)
    a, b = (axes, axes) if isinstance(axes, int) else axes if axes is not None else (x.ndim - 1, y.ndim - 2)
    require(x.ndim == y.ndim == 3, "batch_dot", "two matrices or two vectors for each sample", (x.shape, y.shape))
    x = x if a % 3 == 2 else S.transpose(x, axes=(0, 2, 1))
    return J.batch_matmul(x, y if b % 3 == 1 else S.transpose(y, axes=(0, 2, 1)))


def outer(x1, x2):
    """x1_i x2_j."""
    return B.expand_dims(B.flatten(x1), 1) * B.flatten(x2)


def in_top_k(targets, predictions, k):
    """1 where the target's prediction is among the k largest."""
    predictions = tensor(predictions)
    own = R.total(B.one_hot(targets, predictions.shape[-1]) * predictions, axis=-1, keepdims=True)
    return C.less(R.total(C.greater(predictions, own), axis=-1), k)


# parts and order ------------------------------------------------------------------------------------------------------


def _along(axis: int, key) -> tuple:
    return (slice(None),) * axis + (key,)


def take(x, indices, axis=None):
    """The entries of x along `axis` at these places; None: of all of them, one after the other."""
    x, indices = tensor(x) if axis is not None else B.flatten(x), np.asarray(indices).astype(int)
    at = (axis or 0) % x.ndim
    if not indices.size:
        nothing = J.part(x, key=_along(at, slice(0, 0)))
        return S.reshape(nothing, shape=(*x.shape[:at], *indices.shape, *x.shape[at + 1 :]))
    found = [J.part(x, key=_along(at, int(i))) for i in indices.reshape(-1)]
    if indices.ndim == 0:
        return found[0]
    return S.reshape(J.stack(*found, axis=at), shape=(*x.shape[:at], *indices.shape, *x.shape[at + 1 :]))


def split(x, indices_or_sections, axis=0):
    """x in so many equal parts along `axis`, or cut at these places: a list."""
    x = tensor(x)
    at, n = axis % x.ndim, indices_or_sections
    if isinstance(n, int):
        require(x.shape[at] % n == 0, "split", f"a divisor of {x.shape[at]}", n)
        n = range(x.shape[at] // n, x.shape[at], x.shape[at] // n)
    edges = [0, *map(int, n), x.shape[at]]
    return [J.part(x, key=_along(at, slice(a, b))) for a, b in itertools.pairwise(edges)]


def unstack(x, num=None, axis=0):
    """The slices of x along `axis`: a list."""
    x = tensor(x)
    return [J.part(x, key=_along(axis % x.ndim, i)) for i in range(x.shape[axis])]


def flip(x, axis=None):
    """x backwards along `axis`, or several."""
    x = tensor(x)
    axes = R.axes_of(axis, x.ndim)
    return J.part(x, key=tuple(slice(None, None, -1 if i in axes else None) for i in range(x.ndim)))


def roll(x, shift, axis=None):
    """x moved on along `axis`, what falls off coming in again."""
    x = tensor(x)
    if axis is None:
        return S.reshape(roll(B.flatten(x), shift, 0), shape=x.shape)
    at = axis % x.ndim
    cut = -shift % x.shape[at]
    if not cut:
        return x
    parts = [J.part(x, key=_along(at, one)) for one in (slice(cut, None), slice(None, cut))]
    return J.concatenate(*parts, axis=at)


def pad(x, pad_width, mode="constant", constant_values=0):
    """x with so many entries before and after along each axis, of one value."""
    require(mode == "constant", "pad: mode", '"constant"', repr(mode), error=ArgumentError)
    x = tensor(x)
    for axis, (before, after) in enumerate(np.broadcast_to(pad_width, (x.ndim, 2)).tolist()):
        edges = [np.full((*x.shape[:axis], n, *x.shape[axis + 1 :]), constant_values or 0, x.dtype)
                 for n in (before, after)]  # fmt: skip
        x = J.concatenate(edges[0], x, edges[1], axis=axis) if before or after else x
    return x


def repeat(x, repeats, axis=None):
    """Each entry so many times along `axis`."""
    x = tensor(x) if axis is not None else B.flatten(x)
    at = 0 if axis is None else axis % x.ndim
    many = [1] * (x.ndim + 1)
    many[at + 1] = repeats
    wide = J.tile(B.expand_dims(x, at + 1), repeats=tuple(many))
    return S.reshape(wide, shape=(*x.shape[:at], x.shape[at] * repeats, *x.shape[at + 1 :]))


def swapaxes(x, axis1, axis2):
    """x with two axes exchanged."""
    x = tensor(x)
    axes = list(range(x.ndim))
    axes[axis1], axes[axis2] = axes[axis2], axes[axis1]
    return S.transpose(x, axes=tuple(axes))


def moveaxis(x, source, destination):
    """x with one axis at another place."""
    x = tensor(x)
    axes = [i for i in range(x.ndim) if i != source % x.ndim]
    axes.insert(destination % x.ndim, source % x.ndim)
    return S.transpose(x, axes=tuple(axes))


def broadcast_to(x, shape):
    """x repeated to a shape."""
    x = tensor(x)
    return x + np.zeros(tuple(shape), x.dtype)


def map_fn(function, elems, **options):
    """function of every sample, stacked."""
    return J.stack(*map(function, unstack(elems)), axis=0)


# constants ------------------------------------------------------------------------------------------------------------


def zeros(shape, dtype=None):
    """Zeros."""
    return made(np.zeros(sizes(shape)))


def ones(shape, dtype=None):
    """Ones."""
    return made(np.ones(sizes(shape)))


def full(shape, fill_value, dtype=None):
    """One value everywhere."""
    return made(np.full(sizes(shape), np.asarray(fill_value)))


def full_like(x, fill_value, dtype=None):
    """One value, in the shape of x."""
    return B.zeros_like(x) + fill_value


def arange(start, stop=None, step=1, dtype=None):
    """start, start + step, ... below stop."""
    return made(np.arange(start, step=step) if stop is None else np.arange(start, stop, step))


def linspace(start, stop, num=50, endpoint=True):
    """`num` numbers from start to stop."""
    return made(np.linspace(start, stop, int(num), endpoint=endpoint))


def eye(N, M=None, k=0, dtype=None):
    """Ones on a diagonal."""
    return made(np.eye(N, M, k))


# order ----------------------------------------------------------------------------------------------------------------


def _order(x, axis: int) -> np.ndarray:
    """The places of x's entries along `axis`, from the smallest; equal ones stay in order."""
    return np.argsort(B.get_value(x), axis=axis, kind="stable")


def _picked(x, places: np.ndarray, axis: int):
    """x at places along `axis` of which none is named twice."""
    grid = list(np.ogrid[tuple(slice(n) for n in places.shape)])
    grid[axis % x.ndim] = places
    return J.part(x, key=tuple(x.be.xp.asarray(one) for one in grid))


def argsort(x, axis=-1):
    """The places of the entries along `axis`, from the smallest; None: of all of them."""
    x = tensor(x) if axis is not None else B.flatten(x)
    return made(_order(x, -1 if axis is None else axis))


def sort(x, axis=-1):
    """The entries along `axis`, from the smallest; dx goes back to where each came from. None: all of them."""
    x = tensor(x) if axis is not None else B.flatten(x)
    at = -1 if axis is None else axis
    return _picked(x, _order(x, at), at)


def median(x, axis=None, keepdims=False):
    """The middle of the sorted entries along `axis`, or the mean of the two in the middle."""
    x = tensor(x)
    axes = R.axes_of(axis, x.ndim)
    rest = [i for i in range(x.ndim) if i not in axes]
    kept = tuple(x.shape[i] for i in rest)
    flat = sort(S.reshape(S.transpose(x, axes=(*rest, *axes)), shape=(*kept, -1)))
    n = flat.shape[-1]
    middle = R.mean(J.part(flat, key=(..., slice((n - 1) // 2, n // 2 + 1))), axis=-1)
    middle = C.where(R.total(C.isnan(flat), axis=-1), math.nan, middle)  # NaN is sorted to the end
    whole = tuple(1 if i in axes else m for i, m in enumerate(x.shape))
    return S.reshape(middle, shape=whole) if keepdims else middle


def top_k(x, k, sorted=True):
    """(the k largest entries along the last axis, from the largest; their places)."""
    x = tensor(x)
    require(0 < k <= x.shape[-1], "top_k: k", f"1 to {x.shape[-1]}", k, error=ArgumentError)
    numbers = B.get_value(x)
    places = np.lexsort((-numbers, ~np.isnan(numbers)), axis=-1)[..., :k]  # NaN counts as the largest, as in JAX
    return _picked(x, places, -1), made(places)


def take_along_axis(x, indices, axis=None):
    """x at places along `axis`; indices has x's axes, and its sizes or 1 but for this one."""
    x, places = tensor(x) if axis is not None else B.flatten(x), np.asarray(B.get_value(indices)).astype(int)
    at = (-1 if axis is None else axis) % x.ndim
    last = moveaxis(x, at, -1)
    n = x.shape[at]
    inside = bool(np.all((places >= -n) & (places < n)))
    require(inside, "take_along_axis: indices", f"places from {-n} to {n - 1}", "another", error=ArgumentError)
    places = np.moveaxis(places % n, at, -1)
    chosen = np.arange(n) == places[..., None]
    rows = broadcast_to(B.expand_dims(last, -2), np.broadcast_shapes(chosen.shape, (*last.shape[:-1], 1, n)))
    return moveaxis(R.total(C.where(np.broadcast_to(chosen, rows.shape), rows, 0.0), axis=-1), -1, at)


def diff(a, n=1, axis=-1):
    """a_{i+1} - a_i along `axis`, n times."""
    a = tensor(a)
    require(index(n) is not None and n >= 0, "diff: n", "a number of at least 0", repr(n), error=ArgumentError)
    at = axis % a.ndim
    for _ in range(n):
        a = J.part(a, key=_along(at, slice(1, None))) - J.part(a, key=_along(at, slice(None, -1)))
    return a


def cumprod(x, axis=None, dtype=None):
    """x_0 x_1 ... x_i along `axis`; None: of all entries, one after the other."""
    x = tensor(x) if axis is not None else B.flatten(x)
    parts = unstack(x, axis=axis or 0)
    for i in range(1, len(parts)):
        parts[i] = parts[i - 1] * parts[i]
    return J.stack(*parts, axis=(axis or 0) % x.ndim)


# matrices and sums over letters ---------------------------------------------------------------------------------------


def tri(N, M=None, k=0, dtype=None):
    """Ones at and below a diagonal."""
    return made(np.tri(N, M, k))


def tril(x, k=0):
    """x, and 0 above a diagonal."""
    x = tensor(x)
    return C.where(np.tri(x.shape[-2], x.shape[-1], k), x, 0.0)


def triu(x, k=0):
    """x, and 0 below a diagonal."""
    x = tensor(x)
    return C.where(np.tri(x.shape[-2], x.shape[-1], k - 1), 0.0, x)


def diagonal(x, offset=0, axis1=0, axis2=1):
    """The entries x_{i, i + offset} of two axes, along a last axis."""
    x = tensor(x)
    x = moveaxis(moveaxis(x, axis1 % x.ndim, -1), axis2 % x.ndim - (axis2 % x.ndim > axis1 % x.ndim), -1)
    rows, columns = np.nonzero(np.eye(x.shape[-2], x.shape[-1], offset))
    return J.part(x, key=(..., x.be.xp.asarray(rows), x.be.xp.asarray(columns)))


def trace(x, offset=0, axis1=0, axis2=1):
    """The sum of a diagonal."""
    return R.total(diagonal(x, offset, axis1, axis2), axis=-1)


def diag(x, k=0):
    """A matrix with x on a diagonal, or a matrix's diagonal."""
    x = tensor(x)
    if x.ndim == 2:
        return diagonal(x, k)
    n = x.shape[0] + abs(k)
    rows = broadcast_to(pad(x, ((max(k, 0), max(-k, 0)),)), (n, n))
    return C.where(np.eye(n, k=k), rows, 0.0)


def inner(x1, x2):
    """The sum over the last axis of both."""
    x1, x2 = tensor(x1), tensor(x2)
    return x1 * x2 if not (x1.ndim and x2.ndim) else tensordot(x1, x2, axes=([-1], [-1]))


def vdot(x1, x2):
    """The sum of the products of all entries."""
    return R.total(B.flatten(x1) * B.flatten(x2))


def meshgrid(*x, indexing="xy"):
    """Vectors as coordinates of a grid: one tensor each."""
    require(indexing in ("xy", "ij"), "meshgrid: indexing", '"xy" or "ij"', repr(indexing), error=ArgumentError)
    flat = [B.flatten(one) for one in x]
    order = list(range(len(flat)))
    if indexing == "xy" and len(flat) > 1:
        order[:2] = 1, 0
    sizes = [flat[i].shape[0] for i in order]
    return [broadcast_to(S.reshape(one, shape=tuple(-1 if j == i else 1 for j in order)), sizes)
            for i, one in enumerate(flat)]  # fmt: skip


def segment_sum(data, segment_ids, num_segments=None, sorted=False):
    """y_s = the sum of the rows of data whose id is s; rows of other ids count nowhere."""
    data, ids = tensor(data), np.asarray(B.get_value(segment_ids)).astype(int).reshape(-1)
    require(len(ids) == data.shape[0], "segment_sum: segment_ids", f"{data.shape[0]} numbers", len(ids))
    count = int(ids.max(initial=-1)) + 1 if num_segments is None else int(num_segments)
    return J.segment_sum(data, ids=ids, count=count)


def einsum(subscripts, *operands):
    """The sum of products that the letters say, as NumPy's: "bij,bjk->bik"; ... stands for any axes.

    Of several operands the first two are put together, then the next.
    """
    left, arrow, output = subscripts.replace(" ", "").partition("->")
    terms, operands = left.split(","), [tensor(one) for one in operands]
    expected = f"{len(terms)} operands for {subscripts!r}"
    require(len(terms) == len(operands), "einsum", expected, len(operands), error=ArgumentError)
    spare = [c for c in string.ascii_letters if c not in subscripts]
    most = max((x.ndim - len(t) + 3 for t, x in zip(terms, operands, strict=True) if "..." in t), default=0)
    terms = [t.replace("...", "".join(spare[most - (x.ndim - len(t) + 3) : most]))
             for t, x in zip(terms, operands, strict=True)]  # fmt: skip
    dots = "".join(spare[:most])
    letters = "".join(terms)
    if not arrow:
        output = "..." * bool(most) + "".join(sorted(c for c in set(letters) - set(dots) if letters.count(c) == 1))
    output = output.replace("...", dots)
    for t, x in zip(terms, operands, strict=True):
        ok = len(t) == x.ndim and len(set(t)) == len(t)
        require(ok, "einsum", f"an operand with the axes {t}, each once", x.shape, error=ArgumentError)
    known = set(output) <= set(letters) and len(set(output)) == len(output)
    require(known, "einsum", "an output of the operands' letters, each once", output, error=ArgumentError)
    term, x = _summed(terms[0], operands[0], "".join(terms[1:]) + output)
    for i in range(1, len(terms)):
        later = "".join(terms[i + 1 :]) + output
        term, x = _contracted(term, x, *_summed(terms[i], operands[i], term + later), later)
    return S.transpose(x, axes=tuple(term.index(c) for c in output)) if term else x


def _summed(term: str, x, wanted: str):
    """(letters, x) without the axes that nobody else names."""
    gone = tuple(i for i, c in enumerate(term) if c not in wanted)
    return ("".join(c for c in term if c in wanted), R.total(x, axis=gone)) if gone else (term, x)


def _contracted(s: str, a, t: str, b, later: str):
    """(letters, a b summed over the letters that both have and nobody needs later)."""
    both = [c for c in s if c in t and c in later]
    over = [c for c in s if c in t and c not in later]
    own, other = [c for c in s if c not in t], [c for c in t if c not in s]
    sizes = dict(zip(t, b.shape, strict=True)) | {c: n for c, n in zip(s, a.shape, strict=True) if n != 1 or c not in t}

    def matrix(term, x, groups):
        x = S.transpose(x, axes=tuple(term.index(c) for group in groups for c in group))
        full = [sizes[c] for group in groups for c in group]
        x = x if list(x.shape) == full else broadcast_to(x, full)
        return S.reshape(x, shape=tuple(math.prod(sizes[c] for c in group) for group in groups))

    for c in (*both, *over):
        found = {dict(zip(s, a.shape, strict=True))[c], dict(zip(t, b.shape, strict=True))[c]} - {1}
        require(len(found) < 2, "einsum", f"one size of {c}", found, error=ArgumentError)
    y = J.batch_matmul(matrix(s, a, (both, own, over)), matrix(t, b, (both, over, other)))
    term = [*both, *own, *other]
    return "".join(term), S.reshape(y, shape=tuple(sizes[c] for c in term))


# windows --------------------------------------------------------------------------------------------------------------


def _two(n) -> tuple[int, int]:
    """One number for both, two, or TensorFlow's four with those of images and channels, which are 1."""
    found = (n, n) if isinstance(n, int) else tuple(n)
    found = found[1:3] if len(found) == 4 and found[0] == found[3] == 1 else found
    require(len(found) == 2, "window, strides", "a number, two, or (1, rows, columns, 1)", repr(n), error=ArgumentError)
    return found[0], found[1]


def _window(x, size, strides, padding):
    two = [_two(n) for n in (size, size if strides is None else strides)]
    return {"strides": two[1], "pads": resolve_pads(padding.lower(), x.shape[1:3], *two)}, two[0]


def max_pool(inputs, pool_size, strides=None, padding="valid"):
    """The largest of every window.  inputs (N, H, W, C)."""
    x = tensor(inputs)
    how, window = _window(x, pool_size, strides, padding)
    return pool.max_pool(x, window=window, **how)


def average_pool(inputs, pool_size, strides=None, padding="valid"):
    """The mean of every window.  inputs (N, H, W, C)."""
    x = tensor(inputs)
    how, window = _window(x, pool_size, strides, padding)
    return pool.average_pool(x, window=window, **how)


def conv2d(inputs, kernel, strides=1, padding="valid"):
    """The convolution with a kernel (KH, KW, C, filters).  inputs (N, H, W, C)."""
    x = tensor(inputs)
    how, _ = _window(x, np.shape(kernel)[:2], strides, padding)
    return conv.conv2d(x, kernel if isinstance(kernel, Tensor) else np.asarray(kernel, x.dtype), None, **how)


# losses of numbers ----------------------------------------------------------------------------------------------------


def sparse_categorical_crossentropy(target, output, from_logits=False, axis=-1):
    """-log p of the target's class."""
    output = tensor(output)
    target = tensor(target)
    if target.ndim == output.ndim:
        target = B.squeeze(target, -1)
    return B.categorical_crossentropy(B.one_hot(target, output.shape[-1]), output, from_logits, axis)


def sigmoid_cross_entropy_with_logits(labels, logits):
    """-[t log p + (1 - t) log(1 - p)], p = sigmoid(logits)."""
    return B.binary_crossentropy(labels, logits, from_logits=True)


def softmax_cross_entropy_with_logits(labels, logits, axis=-1):
    """-sum t log p, p = softmax(logits)."""
    return B.categorical_crossentropy(labels, logits, from_logits=True, axis=axis)


def sparse_softmax_cross_entropy_with_logits(labels, logits):
    """-log p of the label's class, p = softmax(logits)."""
    return sparse_categorical_crossentropy(labels, logits, from_logits=True)


# what is no arithmetic ------------------------------------------------------------------------------------------------


def set_value(x, value):
    """Other values for a weight."""
    if not hasattr(x, "assign"):
        raise UnsupportedError("set_value: expected a weight, received a number; write optimizer.learning_rate = value")
    x.assign(value)


def in_train_phase(x, alt, training=None):
    """x when training, else alt; either may be a function without arguments."""
    found = x if training else alt
    return found() if callable(found) else found


def print_tensor(x, message="", summarize=3):
    """Print a tensor and return it."""
    print(message, B.get_value(x))
    return x


SHARED = UNARY | {f.__name__: f for f in (
    arange, eye, max_pool, average_pool, ones, zeros, sparse_categorical_crossentropy, repeat)}  # fmt: skip
BACKEND = B.BACKEND | SHARED | DRAWS | {f.__name__: f for f in (
    batch_dot, conv2d, in_train_phase, map_fn, print_tensor, set_value)} | {
    "batch_get_value": lambda tensors: [B.get_value(x) for x in tensors],
    "bias_add": lambda x, bias: tensor(x) + bias, "count_params": lambda x: math.prod(B.shape(x)),
    "dtype": lambda x: np.dtype(x.dtype).name, "gather": lambda reference, indices: take(reference, indices, 0),
    "in_top_k": lambda predictions, targets, k: in_top_k(targets, predictions, k),
    "is_tensor": lambda x: isinstance(x, Tensor), "repeat_elements": lambda x, rep, axis: repeat(x, rep, axis),
    "cumprod": lambda x, axis=0: cumprod(x, axis),
    "repeat": lambda x, n: repeat(B.expand_dims(x, 1), n, 1), "reverse": lambda x, axes: flip(x, axes),
    "spatial_2d_padding": lambda x, padding=((1, 1), (1, 1)): pad(x, ((0, 0), *padding, (0, 0))),
}  # fmt: skip
OPS: dict[str, Callable] = B.OPS | SHARED | {f.__name__: f for f in (
    argsort, average, broadcast_to, count_nonzero, cumprod, diag, diagonal, diff, divide_no_nan, einsum, flip,
    floor_divide, full, full_like, in_top_k, inner, isclose, isfinite, isinf, linspace, logaddexp, logical_and,
    logical_not, logical_or, logical_xor, matmul, median, meshgrid, mod, moments, moveaxis, nan_to_num, outer, pad,
    roll, segment_sum, sort, split, swapaxes, take, take_along_axis, tensordot, top_k, trace, tri, tril, triu,
    unstack, vdot)} | {
    "norm": matrix_norm, "gelu": lambda x, approximate=True: activations.gelu(x, approximate),  # Keras's default
    "clip": lambda x, x_min, x_max: B.clip(x, x_min, x_max), "power": lambda x1, x2: B.power(x1, x2),
    "reshape": lambda x, newshape: B.reshape(x, newshape), "is_tensor": BACKEND["is_tensor"], "ndim": B.ndim,
    "array": lambda x, dtype=None: tensor(x), "size": lambda x: math.prod(B.shape(x)),
    "copy": lambda x: tensor(x) + 0.0, "cond": lambda pred, true_fn, false_fn: (
        true_fn if bool(np.asarray(B.get_value(pred))) else false_fn)(),
    "slice": lambda inputs, start_indices, shape: J.part(
        tensor(inputs), key=tuple(slice(int(a), int(a) + int(n)) for a, n in zip(start_indices, shape, strict=True))),
    "ravel": B.flatten, "true_divide": lambda x1, x2: tensor(x1) / x2,
    "allclose": lambda x1, x2, rtol=1e-5, atol=1e-8: bool(
        isclose(x1, x2, rtol, atol).numpy().all()),
    "hstack": lambda xs: B.concatenate(xs, 0 if np.ndim(xs[0]) == 1 else 1),
    "vstack": lambda xs: B.concatenate([x if np.ndim(x) > 1 else B.expand_dims(x, 0) for x in xs], 0),
}  # fmt: skip
