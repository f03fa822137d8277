"""The activations but ReLU, which are made of exponentials or of pieces of lines; their gradients: one pass each.

Why it is fast: written as array code a formula costs a pass, and an array, for each of its operations, on one thread,
and NumPy has no erf. Here the numbers of a vector go through the whole formula. exp, which most of them need, has no
branch and no table, so LLVM turns the loops into vectors by itself:

      x = n ln 2 + r, n whole, |r| <= ln 2 / 2        exp x = 2^n (1 + q),  q = r + r^2 / 2 + ... = exp r - 1

A gradient begins from x again: what it computes takes less time than reading one more array would.

Errors of y, in units of the last place: elu and tanh 2, the others 4. gelu is x Phi(x), and Phi(x) is right to 1e-7,
which is more than that for x below -1, as it is in float32 where Phi is (1 + erf) / 2.
Sources: the coefficients of exp and tanh are those of Moshier's Cephes library, expf.c and tanhf.c; those of Phi are
Abramowitz & Stegun 1964, 26.2.17.
"""

import math

import numpy as np

from ..contract import ACTIVATIONS
from .activation import block_count
from .codegen.jit import inline
from .codegen.llvm_ir import power_of_two
from .runtime.memory import empty
from .runtime.thread_pool import kernel

CLIPPED_RELU, ELU, GELU, GELU_TANH, HARD_SIGMOID, LEAKY_RELU, SELU, SIGMOID, SILU, SOFTPLUS, TANH = (
    range(len(ACTIVATIONS)))  # in the contract's order  # fmt: skip

F = np.float32
ZERO, HALF, ONE, TWO = F(0), F(0.5), F(1), F(2)
LOWEST = F(-87)  # exp of it is 1.6e-38, close to the least normal number
LOG2_E, LN2_HIGH, LN2_LOW = F(1 / math.log(2)), F(0.693359375), F(-2.12194440e-4)
ROUNDED = F(1.5 * 2**23)  # floats of this size are whole numbers: adding it rounds, and leaves n in the last bits
E7, E6, E5, E4, E3, E2 = map(F, (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1,
                                 5.0000001201e-1))  # fmt: skip
T11, T9, T7, T5, T3 = map(F, (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1,
                              -3.33332819422e-1))  # fmt: skip
NEAR_0 = F(0.625)
A13, A11, A9, A7, A5, A3 = (F(1 / n) for n in (13, 11, 9, 7, 5, 3))
P5, P4, P3, P2, P1 = map(F, (1.330274429, -1.821255978, 1.781477937, -0.356563782, 0.319381530))
TAIL, DENSITY = F(0.2316419), F(1 / math.sqrt(2 * math.pi))
CUBE, STEEP = F(0.044715), F(2 * math.sqrt(2 / math.pi))
CUBE_3 = F(3 * 0.044715)
SELU_ALPHA, SELU_SCALE = F(1.6732632423543772), F(1.0507009873554805)
THREE, SIXTH = F(3), F(1 / 6)


# ---- what the formulas share -----------------------------------------------------------------------------------------


@inline
def _halves_and_rest(x):
    """(2^n, q): exp x = 2^n (1 + q), for LOWEST <= x <= 88 or NaN."""
    shifted = x * LOG2_E + ROUNDED
    n = shifted - ROUNDED
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    q = (((((E7 * r + E6) * r + E5) * r + E4) * r + E3) * r + E2) * (r * r) + r
    return power_of_two(shifted), q


@inline
def _exp(x):
    """exp x for x <= 0: 0 below LOWEST."""
    scale, q = _halves_and_rest(LOWEST if x < LOWEST else x)
    return ZERO if x < LOWEST else scale + scale * q


@inline
def _logistic(x):
    """(sigmoid x, its derivative e / (1 + e)^2), e = exp(-|x|)."""
    e = _exp(-abs(x))
    share = ONE / (ONE + e)
    return (share if x >= ZERO else e * share), e * share * share


@inline
def _normal(x):
    """(Phi(x), phi(x)): the normal distribution and its density."""
    phi = DENSITY * _exp(-HALF * (x * x))
    t = ONE / (ONE + TAIL * abs(x))
    tail = phi * (((((P5 * t + P4) * t + P3) * t + P2) * t + P1) * t)
    return (ONE - tail if x > ZERO else tail), phi


@inline
def _tanh_gate(x):
    """(s, ds): s = (1 + tanh u) / 2 = sigmoid 2u, u = sqrt(2 / pi) (x + .044715 x^3), and its derivative by x."""
    square = x * x
    s, slope = _logistic(STEEP * (x + CUBE * x * square))
    return s, slope * STEEP * (ONE + CUBE_3 * square)


# ---- y = f(x), and f'(x) ---------------------------------------------------------------------------------------------


@inline
def _clipped_relu(x, alpha):
    above = ZERO if x <= ZERO else x
    return alpha if above >= alpha else above


@inline
def _clipped_relu_slope(x, alpha):
    return ONE if (x > ZERO) & (x < alpha) else ZERO


@inline
def _elu(x, alpha):
    below = ZERO if x > ZERO else x
    scale, q = _halves_and_rest(LOWEST if below < LOWEST else below)
    return x if x > ZERO else alpha * ((scale - ONE) + scale * q)


@inline
def _elu_slope(x, alpha):
    return ONE if x > ZERO else alpha * _exp(ZERO if x > ZERO else x)


@inline
def _gelu(x, alpha):
    return x * _normal(x)[0]


@inline
def _gelu_slope(x, alpha):
    share, phi = _normal(x)
    return share + x * phi


@inline
def _gelu_tanh(x, alpha):
    return x * _tanh_gate(x)[0]


@inline
def _gelu_tanh_slope(x, alpha):
    s, ds = _tanh_gate(x)
    return s + x * ds


@inline
def _hard_sigmoid(x, alpha):
    y = x * SIXTH + HALF
    y = ZERO if y < ZERO else y
    return ONE if y > ONE else y


@inline
def _hard_sigmoid_slope(x, alpha):
    return SIXTH if (x > -THREE) & (x < THREE) else ZERO


@inline
def _leaky_relu(x, alpha):
    return x if x > ZERO else alpha * x


@inline
def _leaky_relu_slope(x, alpha):
    return ONE if x > ZERO else alpha


@inline
def _selu(x, alpha):
    return SELU_SCALE * _elu(x, SELU_ALPHA)


@inline
def _selu_slope(x, alpha):
    return SELU_SCALE * _elu_slope(x, SELU_ALPHA)


@inline
def _sigmoid(x, alpha):
    return _logistic(x)[0]


@inline
def _sigmoid_slope(x, alpha):
    return _logistic(x)[1]


@inline
def _silu(x, alpha):
    return x * _logistic(x)[0]


@inline
def _silu_slope(x, alpha):
    s, ds = _logistic(x)
    return s + x * ds


@inline
def _softplus(x, alpha):
    """max(x, 0) + log(1 + e), e = exp(-|x|), and log(1 + e) = 2 artanh w, w = e / (2 + e) <= 1/3."""
    e = _exp(-abs(x))
    w = e / (TWO + e)
    z = w * w
    series = ((((((A13 * z + A11) * z + A9) * z + A7) * z + A5) * z + A3) * z + ONE) * w
    return (x if x > ZERO else ZERO) + TWO * series


@inline
def _tanh(x, alpha):
    z = x * x
    near = ((((T11 * z + T9) * z + T7) * z + T5) * z + T3) * z * x + x
    e = _exp(-TWO * abs(x))
    far = (ONE - e) / (ONE + e)
    far = far if x > ZERO else -far
    return near if abs(x) < NEAR_0 else far


@inline
def _tanh_slope(x, alpha):
    e = _exp(-TWO * abs(x))
    share = ONE / (ONE + e)
    return F(4) * e * share * share


# ---- loops -----------------------------------------------------------------------------------------------------------


@inline
def _each(f, x, alpha, y):
    for i in range(x.size):
        y[i] = f(x[i], alpha)


@inline
def _each_slope(slope, dy, x, alpha, dx):
    for i in range(x.size):
        dx[i] = dy[i] * slope(x[i], alpha)


@kernel
def _activate(k, thread, x, kind, alpha, y, blocks):
    part = slice(k * x.size // blocks, (k + 1) * x.size // blocks)
    x, y = x[part], y[part]
    if kind == CLIPPED_RELU:
        _each(_clipped_relu, x, alpha, y)
    elif kind == ELU:
        _each(_elu, x, alpha, y)
    elif kind == GELU:
        _each(_gelu, x, alpha, y)
    elif kind == GELU_TANH:
        _each(_gelu_tanh, x, alpha, y)
    elif kind == HARD_SIGMOID:
        _each(_hard_sigmoid, x, alpha, y)
    elif kind == LEAKY_RELU:
        _each(_leaky_relu, x, alpha, y)
    elif kind == SELU:
        _each(_selu, x, alpha, y)
    elif kind == SIGMOID:
        _each(_sigmoid, x, alpha, y)
    elif kind == SILU:
        _each(_silu, x, alpha, y)
    elif kind == SOFTPLUS:
        _each(_softplus, x, alpha, y)
    else:
        _each(_tanh, x, alpha, y)


@kernel
def _activate_grad(k, thread, dy, x, kind, alpha, dx, blocks):
    part = slice(k * x.size // blocks, (k + 1) * x.size // blocks)
    dy, x, dx = dy[part], x[part], dx[part]
    if kind == CLIPPED_RELU:
        _each_slope(_clipped_relu_slope, dy, x, alpha, dx)
    elif kind == ELU:
        _each_slope(_elu_slope, dy, x, alpha, dx)
    elif kind == GELU:
        _each_slope(_gelu_slope, dy, x, alpha, dx)
    elif kind == GELU_TANH:
        _each_slope(_gelu_tanh_slope, dy, x, alpha, dx)
    elif kind == HARD_SIGMOID:
        _each_slope(_hard_sigmoid_slope, dy, x, alpha, dx)
    elif kind == LEAKY_RELU:
        _each_slope(_leaky_relu_slope, dy, x, alpha, dx)
    elif kind == SELU:
        _each_slope(_selu_slope, dy, x, alpha, dx)
    elif kind == SIGMOID:
        _each_slope(_sigmoid_slope, dy, x, alpha, dx)
    elif kind == SILU:
        _each_slope(_silu_slope, dy, x, alpha, dx)
    elif kind == SOFTPLUS:
        _each_slope(_sigmoid, dy, x, alpha, dx)
    else:
        _each_slope(_tanh_slope, dy, x, alpha, dx)


def activate(x, *, kind, alpha=1.0):
    x = np.asarray(x, np.float32, order="C")
    y, blocks = empty(x.shape), block_count(x.size)
    _activate(blocks, x.reshape(-1), ACTIVATIONS.index(kind), np.float32(alpha), y.reshape(-1), blocks)
    return y


def activate_grad(dy, x, *, kind, alpha=1.0):
    dy, x = (np.asarray(array, np.float32, order="C") for array in (dy, x))
    dx, blocks = empty(x.shape), block_count(x.size)
    flat = dy.reshape(-1), x.reshape(-1)
    _activate_grad(blocks, *flat, ACTIVATIONS.index(kind), np.float32(alpha), dx.reshape(-1), blocks)
    return dx
