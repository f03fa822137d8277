"""The kernel contract: what every kernel set offers, by name, and what each kernel promises.

A kernel is a function of arrays that returns new arrays (the `*_step` kernels update theirs in place). Three sets
implement it: `numpy_ref` is the definition, short array code for any float type; `numba_cpu` is float32 on SIMD units;
`cuda` is float32 on the GPU. A set may lack a kernel: the backend then uses `numpy_ref`'s and reports that it did.
`tests/kernels/test_contract.py` holds every kernel of every set to the text below.

Shape letters: N batch; H, W, C image; KH, KW window; SH, SW stride; OH, OW output; O filters; K classes.
Arguments:  strides (SH, SW) px;  window (KH, KW) px;  pads ((top, bottom), (left, right)) px, of zeros unless said.
Arrays are C-contiguous unless a kernel says otherwise; outputs have the type of `x` (or `dy`) and are C-contiguous.
"""

# pyright: reportSelfClsParameterName=false
# What stands in the two protocols below are functions of a module, as a kernel set is: they have no self.

import math
from typing import NamedTuple, Protocol

ALGORITHMS = ("auto", "im2col", "winograd")
"""How a convolution may be computed; an argument of the three kernels.

auto      what the set believes to be fastest: it follows from the shapes of one image, not from the batch or a clock
im2col    products of windows and filters, with or without the matrix in memory
winograd  fewer multiplications; strides 1 and windows 2x2, 3x3 or 5x5 only, else the set raises ValueError. Its
          rounding errors are larger, and a NaN may reach outputs up to 6 px beyond those that read it.
A set with one algorithm accepts all three names.
"""

FILL_MODES = ("nearest", "constant", "reflect", "wrap")
"""What affine_warp reads outside of an image; compiled kernels take the position."""

ACTIVATIONS = ("clipped_relu", "elu", "gelu", "gelu_tanh", "hard_sigmoid", "leaky_relu", "selu", "sigmoid", "silu",
               "softplus", "tanh")  # fmt: skip
"""What the kernel activate computes: y = f(x) as minicnn/ops/activation.py defines it, with alpha, where it has one.

clipped_relu      min(max(x, 0), alpha): relu_general with max_value = alpha alone
elu, leaky_relu   alpha, alpha = negative_slope;  gelu, gelu_tanh  gelu, and the same with approximate=True
Compiled kernels take the position.
"""

INIT, SHUFFLE, DROPOUT, AUGMENT = range(4)
"""Purposes of random draws."""

AT_INFERENCE = 4
"""What is added to the purpose of a draw at inference, whose numbers no training step shares."""


def stream(purpose: int, index: int = 0) -> int:
    """The number of a purpose's stream; index: which of them, a layer's number."""
    return purpose << 16 | index


def as_acb(x, axis: int):
    """x seen as (A, C, B): the axes before `axis`, itself, the axes after it. A view of a C-contiguous array."""
    axis %= x.ndim
    return x.reshape(math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1 :]))


class Key(NamedTuple):
    """Where in the counted random stream a draw lies: Philox key = seed, counter = (block, step, stream, 0).

    A batch that several processes share is drawn as one: with `row`, the words of an array are those that its rows have
    in a batch in which `row` rows come before them. row times the words of a row is a multiple of 4: whole blocks.
    """

    seed: int  # 64 bits
    step: int  # 32 bits, counts over the life of a model
    stream: int  # 32 bits: purpose and layer index
    row: int = 0

    def first(self, shape: tuple[int, ...]) -> int:
        """The block with which the draws for an array of this shape begin."""
        return self.row * math.prod(shape[1:]) // 4


class KernelSet(Protocol):
    """Names, arguments and promises. Every function of every set has exactly this signature."""

    # conv ------------------------------------------------------------------------------------------------------------

    def conv2d(x, w, b, *, strides, pads, relu=False, stats=False, algorithm="auto"):
        """y[n,i,j,o] = b[o] + sum_{p,q,c} x[n, i*SH+p-top, j*SW+q-left, c] * w[p,q,c,o]; then max(y, 0) if `relu`.

        stats: the result is (y, mean, var) with batch_norm_stats of this y (N*OH*OW, O, 1), as exact, but not its bits.
        x (N, H, W, C), w (KH, KW, C, O), b (O,) or None -> y (N, OH, OW, O); mean, var (O,).
        An image's result does not depend on the other images of its batch.
        """

    def conv2d_folded(x, w, b, affine, *, conv, kept=None):
        """y = scale conv2d(x, w, b, **conv) + shift, a batch norm at rest folded in: the convolution of a prediction.

        affine: (scale, shift), (O,) both, or None: y is conv2d's.
        conv: conv2d's strides, pads, relu and algorithm, a dictionary, in which what has a default may be absent.
        kept: a dictionary of the caller's, for calls with one w: a set may leave there what it has made of w alone, to
        be taken again if w still holds the same numbers. It changes no result.
        """

    def conv2d_input_grad(dy, w, x_shape, *, strides, pads, algorithm="auto"):
        """dx[n,h,w,c] = sum of dy[n,i,j,o] * w[p,q,c,o] over every (i,j,p,q,o) that read x[n,h,w,c].

        dy (N, OH, OW, O), w (KH, KW, C, O) -> dx of x_shape (N, H, W, C).
        """

    def conv2d_weight_grad(x, dy, w_shape, *, strides, pads, algorithm="auto"):
        """dw[p,q,c,o] = sum_{n,i,j} x[n, i*SH+p-top, j*SW+q-left, c] * dy[n,i,j,o].

        x (N, H, W, C), dy (N, OH, OW, O) -> dw of w_shape (KH, KW, C, O).
        """

    def depthwise_conv2d(x, w, *, strides, pads):
        """y[n,i,j,c*M+m] = sum_{p,q} x[n, i*SH+p-top, j*SW+q-left, c] * w[p,q,c,m]: M filters for each channel alone.

        x (N, H, W, C), w (KH, KW, C, M) -> y (N, OH, OW, C*M).
        """

    def depthwise_conv2d_input_grad(dy, w, x_shape, *, strides, pads):
        """dx[n,h,w,c] = sum of dy[n,i,j,c*M+m] * w[p,q,c,m] over every (i,j,p,q,m) that read x[n,h,w,c].

        dy (N, OH, OW, C*M), w (KH, KW, C, M) -> dx of x_shape (N, H, W, C).
        """

    def depthwise_conv2d_weight_grad(x, dy, w_shape, *, strides, pads):
        """dw[p,q,c,m] = sum_{n,i,j} x[n, i*SH+p-top, j*SW+q-left, c] * dy[n,i,j,c*M+m].

        x (N, H, W, C), dy (N, OH, OW, C*M) -> dw of w_shape (KH, KW, C, M).
        """

    # dense -----------------------------------------------------------------------------------------------------------

    def dense(x, w, b, *, relu=False, affine=None):
        """y = x w + b, then max(y, 0) if `relu`, then scale y + shift if affine = (scale, shift) is not None.

        x (N, I), w (I, O), b (O,) or None, scale and shift (O,) -> y (N, O).
        """

    def dense_input_grad(dy, w):
        """dx = dy w'.  dy (N, O), w (I, O) -> dx (N, I)."""

    def dense_weight_grad(x, dy):
        """dw = x' dy.  x (N, I), dy (N, O) -> dw (I, O)."""

    def bias_grad(dy):
        """db[o] = sum of dy over every axis but the last.  dy (..., O) -> db (O,)."""

    # activation ------------------------------------------------------------------------------------------------------

    def relu(x):
        """y = max(x, 0); NaN stays NaN.  Any shape."""

    def relu_grad(dy, y):
        """dx = dy where y > 0, else 0 (so the gradient at 0 is 0).  y is relu's output."""

    def relu_bias_grad(dy, y):
        """(relu_grad(dy, y), bias_grad of it) in one pass: the backward of a bias + ReLU epilogue."""

    # pool ------------------------------------------------------------------------------------------------------------

    def max_pool(x, *, window, strides, pads, rate=0.0, key=None):
        """y[n,i,j,c] = max over the window's cells inside the image; padding never wins; NaN wins over all.

        x (N, H, W, C) -> y (N, OH, OW, C) and argmax (same shape): the winning cell's number p*KW + q in its window,
        the first in row-major order on ties; uint8 for windows of at most 255 cells, else int32.
        If rate: then y = dropout(y, rate, key), and the argmax of what was dropped is KH*KW, which is no cell.
        """

    def max_pool_grad(dy, argmax, x_shape, *, window, strides, pads, rate=0.0, y=None):
        """dx: every dy / (1 - rate) goes to the cell that won; overlaps add.

        dy, argmax (N, OH, OW, C) -> dx of x_shape.
        y: max_pool's output, given where x is a ReLU's output: dx is then the gradient before that ReLU, so nothing
        flows where y <= 0, and a second result is its bias gradient: -> dx, db (C,).
        """

    def average_pool(x, *, window, strides, pads):
        """y = mean over the window's cells inside the image (padding is not counted).  x (N,H,W,C) -> y (N,OH,OW,C)."""

    def average_pool_grad(dy, x_shape, *, window, strides, pads):
        """dx: every dy is shared equally among the cells that its window counted; overlaps add."""

    # norm: any axis of any array, seen as (A, C, B): the axes before it, the axis itself, the axes after it ----------

    def batch_norm_stats(x):
        """Mean and population variance per channel, over A and B, in two passes or an equally exact way.

        x (A, C, B) -> mean (C,), var (C,).  Right to 1e-4 relative for inputs of mean 100 and deviation .01.
        """

    def batch_norm(x, mean, var, gamma, beta, *, eps):
        """y = gamma (x - mean) / sqrt(var + eps) + beta.  x (A, C, B), the rest (C,) -> y (A, C, B)."""

    def batch_norm_grad(dy, x, mean, var, gamma, *, eps, batch_stats, relu=False):
        """Gradients of batch_norm.  dy, x (A, C, B) -> dx (A, C, B), dgamma (C,), dbeta (C,).

        batch_stats=True: mean and var are x's own, and x moves them (training); False: they are constants.
        relu=True, for B = 1 only: x is a ReLU's output, and dx the gradient before that ReLU, so 0 where x <= 0; a
        fourth result is its bias gradient: -> dx, dgamma, dbeta, db (C,).
        """

    # loss ------------------------------------------------------------------------------------------------------------

    def softmax(z):
        """p = exp(z - max z) / sum exp(z - max z) over the last axis.  z (..., K) -> p (..., K)."""

    def softmax_cross_entropy(z, t):
        """loss[n] = -sum_k t[n,k] log softmax(z)[n,k], and its gradient dz = softmax(z) sum_k t - t.

        z, t (N, K) -> loss (N,), dz (N, K).  Finite for any finite z.
        """

    # random ----------------------------------------------------------------------------------------------------------

    def philox(n, key):
        """n random uint32 words: word i is element i % 4 of Philox4x32-10(key.seed, (i // 4, key.step, key.stream, 0)).

        A row of it, see Key, is 4 words.  Bit-equal in every set.
        Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
        """

    def dropout(x, *, rate, key):
        """y = x / (1 - rate) where philox word i >= round(rate * 2^32), else 0; element i in C order. 0 <= rate < 1.

        It is its own gradient: dx = dropout(dy) with the same rate and key, so no mask is kept.
        """

    # warp ------------------------------------------------------------------------------------------------------------

    def affine_warp(images, matrices, *, fill_mode, cval, scale):
        """y[n,i,j,c] = scale * bilinear sample of images[n,...,c] at (row, column) = matrices[n] @ (i, j, 1).

        images (N, H, W, C) uint8 or float, matrices (N, 2, 3) float64 -> y (N, H, W, C) in the set's float type.
        fill_mode, beyond the first and last pixel centre: "nearest" aaaa|abcd|dddd, "constant" cval (blended over the
        one-pixel border; cval in units of `images`), "reflect" dcba|abcd|dcba, "wrap" abcd|abcd|abcd. Coordinates are
        computed in float64; sets agree to 1e-5 of the value range.
        """

    # optimizer: flat arrays of any equal length, updated in place; rates are Python floats ---------------------------
    # slots: the arrays that the optimizer keeps for p, a tuple; one that it does without is None

    def sgd_step(p, g, slots, *, lr, momentum, nesterov):
        """slots (m,): m = momentum m - lr g;  p += momentum m - lr g if nesterov else m.  m None: p -= lr g."""

    def rmsprop_step(p, g, slots, *, lr, rho, momentum, eps):
        """v = rho v + (1-rho) g^2;  a = rho a + (1-rho) g;  i = lr g / sqrt(v - a^2 + eps);  m = momentum m + i.

        Then p -= m. slots (v, m, a). a None (not centred): its square is left out. m None (no momentum): p -= i.
        """

    def adam_step(p, g, slots, *, rate, beta_1, beta_2, eps):
        """m += (1-beta_1)(g - m);  v += (1-beta_2)(g^2 - v);  p -= rate m / (sqrt(v) + eps).

        slots (m, v, vhat). vhat (AMSGrad, else None): vhat = max(vhat, v) takes v's place in the last line.
        """

    def adagrad_step(p, g, slots, *, lr, eps):
        """slots (a,): a += g^2;  p -= lr g / sqrt(a + eps)."""

    def adadelta_step(p, g, slots, *, lr, rho, eps):
        """slots (a, d): a = rho a + (1-rho) g^2;  u = g sqrt(d + eps) / sqrt(a + eps);  d = rho d + (1-rho) u^2.

        Then p -= lr u.
        """

    def adamax_step(p, g, slots, *, rate, beta_1, beta_2, eps):
        """slots (m, u): m += (1-beta_1)(g - m);  u = max(beta_2 u, |g|);  p -= rate m / (u + eps)."""

    def nadam_step(p, g, slots, *, lr, scales, beta_1, beta_2, eps):
        """slots (m, v) as Adam's, scales (of_m, of_g, of_v):  p -= lr (of_m m + of_g g) / (sqrt(of_v v) + eps)."""

    def lion_step(p, g, slots, *, lr, beta_1, beta_2):
        """slots (m,): p -= lr sign(beta_1 m + (1-beta_1) g);  m = beta_2 m + (1-beta_2) g.

        sign(0) is 0, and NaN stays NaN.
        """

    def ftrl_step(p, g, slots, *, lr, power, penalties, beta):
        """b = a + g^2;  z += g + 2 shrinkage p - (b^power - a^power) / lr p;  a = b.

        slots (a, z), penalties (l1, l2, shrinkage).
        Then p = (clip(z, -l1, l1) - z) / ((b^power + beta) / lr + 2 l2).
        """


class Fused(Protocol):
    """Kernels that a set may have: each does what several of the others do, with fewer passes over memory.

    Who runs a program looks for them: minicnn/ops/block.py says which chain of ops becomes which; the ops of
    minicnn/ops/activation.py look for theirs. `numpy_ref` has none: the chain, or the op's text, is their definition.
    """

    def activate(x, *, kind, alpha=1.0):
        """y = f(x), f the one of ACTIVATIONS that `kind` names.  Any shape."""

    def activate_grad(dy, x, *, kind, alpha=1.0):
        """dx = dy f'(x), of the same shape."""

    def conv2d_max_pool(x, w, b, *, conv, pool):
        """max_pool(conv2d(x, w, b, **conv), **pool), without the array in between.

        conv: conv2d's strides, pads, relu and algorithm, and conv2d_folded's affine and kept, pool: max_pool's window,
        strides, pads, rate and key: dictionaries, in which what has a default may be absent. affine (scale, shift) may
        also be one number for each row of the images, (OH, 1, 1) both.
        x (N, H, W, C), w (KH, KW, C, O), b (O,) or None -> y, argmax (N, PH, PW, O) as max_pool's.
        """

    def conv2d_max_pool_grad(dy, argmax, y, x, w, *, conv, pool, needs=(True, True)):
        """Gradients of conv2d_max_pool with a ReLU and no affine; y and argmax are its results.

        conv: strides, pads and algorithm; pool: window, strides, pads and rate.
        dy, argmax, y (N, PH, PW, O), x (N, H, W, C), w (KH, KW, C, O) -> dx, dw and db, the bias's: what
        conv2d_input_grad, conv2d_weight_grad make of max_pool_grad(y=y).  needs: whether dx, dw are wanted, else None.
        """

    def batch_norm_max_pool(x, norm, *, pool):
        """max_pool(batch_norm(x), **pool), without the array in between: the end of a convolution block.

        norm (mean, var, gamma, beta, eps, axis): x (N, H, W, C) is normalised along its last axis, axis -1, the arrays
        are (C,), or along its rows, axis 1, they are (H,). -> y, argmax (N, OH, OW, C) as max_pool's.
        """

    def batch_norm_max_pool_grad(dy, argmax, x, norm, *, pool):
        """Gradients of batch_norm_max_pool, for a ReLU's output x with its own mean and variance.

        norm (mean, var, gamma, eps, axis); pool: window, strides, pads and rate.
        dy, argmax (N, OH, OW, C), x (N, H, W, C) -> dx (N, H, W, C) before the ReLU, dgamma, dbeta (C,), or (H,) for
        axis 1, as of batch_norm_grad(max_pool_grad(dy)); db (C,), the sum of dx per channel: a bias's before the ReLU.
        """

    def batch_norm_conv2d_weight_grad(dy, z, norm, x, w_shape, *, conv, argmax=None, pool=None):
        """Gradients of batch_norm(z), z = relu(conv2d(x, w, b)) with its own mean and variance, where nobody needs dx.

        norm (mean, var, gamma, eps, axis); conv: strides, pads and algorithm.
        dy, z (N, OH, OW, O), mean, var, gamma (O,), x (N, H, W, C) -> dw of w_shape (KH, KW, C, O), db, the bias's,
        dgamma, dbeta (O,): what conv2d_weight_grad makes of batch_norm_grad(relu=True), without the array in between.
        argmax, pool (window, strides, pads and rate): the same of batch_norm_max_pool(z); without them axis is -1.
        """


KERNELS = tuple(name for name in vars(KernelSet) if not name.startswith("_"))
FUSED = tuple(name for name in vars(Fused) if not name.startswith("_"))
