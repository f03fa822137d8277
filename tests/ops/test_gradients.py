"""Every op against differences, in float64, with a random cotangent, for each argument by itself.

`CASES` holds one list of cases per op; `test_every_op_is_checked` fails for an op that has none.
"""

import importlib
import inspect
import itertools
import pkgutil

import numpy as np
import pytest

from minicnn import check_grad, ops
from minicnn.kernels import Key
from minicnn.ops.geometry import resolve_pads

A, C, D, L, N, P, S = (getattr(ops, name) for name in ("arithmetic", "conv", "dense", "loss", "norm", "pool", "shape"))
V, J, R, G, H, M = ops.activation, ops.join, ops.reduce, ops.augment, ops.color, ops.mixing


def normal(*shape):
    return lambda rng: rng.standard_normal(shape)


def positive(*shape):
    return lambda rng: rng.uniform(0.5, 2, shape)


def distinct(*shape):
    """Numbers that are .1 apart and 0 is not among them: no ties, no kinks."""
    return lambda rng: (rng.permutation(np.prod(shape, dtype=int)).reshape(shape) - np.prod(shape) // 2 + 0.5) / 10


def probabilities(*shape):
    return lambda rng: rng.dirichlet(np.ones(shape[-1]), shape[:-1])


def call(f, *makers, **static):
    return lambda rng: (lambda *tensors: f(*tensors, **static), [make(rng) for make in makers])


def first(f, *makers, **static):
    """An op with outputs aside."""
    return lambda rng: (lambda *tensors: f(*tensors, **static)[0], [make(rng) for make in makers])


def with_constant(f, *makers, **static):
    """The last argument is a constant."""

    def case(rng):
        *arrays, constant = [make(rng) for make in makers]
        return lambda *tensors: f(*tensors, constant, **static), arrays

    return case


def convolutions():
    geometries = itertools.product(
        ((5, 7), (6, 6)), ((1, 1), (3, 3), (3, 2)), ((1, 1), (2, 1), (2, 3)), ("valid", "same"), (True, False)
    )
    for size, window, strides, padding, bias in geometries:
        static = {"strides": strides, "pads": resolve_pads(padding, size, window, strides)}
        x, w = normal(2, *size, 3), normal(*window, 3, 4)
        if bias:
            yield call(C.conv2d, x, w, normal(4), **static)
        else:
            yield with_constant(C.conv2d, x, w, lambda rng: None, **static)
    for padding in ("valid", "same"):
        yield relu_convolution({"strides": (1, 2), "pads": resolve_pads(padding, (5, 6), (3, 2), (1, 2))})


def relu_convolution(static):
    """x, w and b whose convolution keeps away from 0 everywhere, on both sides of it."""

    def case(rng):
        while True:
            x, w, b = (rng.standard_normal(s) for s in ((1, 5, 6, 2), (3, 2, 2, 2), (2,)))
            with ops_off():
                y = C.conv2d(ops.Tensor(x), w, b, **static).numpy()
            if np.abs(y).min() > 0.02 and (y > 0).any() and (y < 0).any():
                return lambda x, w, b: C.conv2d(x, w, b, relu=True, **static), [x, w, b]

    return case


def relu_dense(rng):
    while True:
        x, w, b = (rng.standard_normal(s) for s in ((3, 5), (5, 4), (4,)))
        if np.abs(x @ w + b).min() > 0.02:
            return lambda x, w, b: D.dense(x, w, b, relu=True), [x, w, b]


def ops_off():
    from minicnn import no_grad

    return no_grad()


def _without_gradient(f):
    """Of targets: the answer beside numbers that have a gradient."""

    def case(rng):
        t = ops.Tensor((rng.random((4, 3)) > 0.5) * 1.0)
        return lambda x: f(t) * x, [rng.standard_normal((4, 3))]

    return case


WINDOWS = [
    {"window": window, "strides": strides, "pads": resolve_pads(padding, (5, 7), window, strides)}
    for window, strides, padding in [
        ((2, 2), (2, 2), "valid"), ((2, 2), (2, 2), "same"), ((3, 3), (2, 2), "same"),  # the last: overlapping
        ((3, 2), (1, 1), "valid"), ((3, 3), (1, 2), "same"), ((5, 7), (5, 7), "valid"), ((1, 1), (2, 3), "valid"),
    ]
]  # fmt: skip
REDUCTIONS = list(itertools.product((None, 1, -1, (0, 2)), (False, True)))
IMAGES = distinct(2, 5, 7, 2)
SMOOTH = (V.sigmoid, V.tanh, V.softmax, V.log_softmax, V.softplus, V.silu, V.exponential, A.expm1, A.arctan, A.erf)
KINKED = (V.relu, V.leaky_relu, V.elu, V.selu, V.softsign)

CASES = {
    A.add: [call(A.add, normal(3, 4), normal(4)), call(A.add, normal(3, 1), normal(2, 1, 4))],
    A.subtract: [call(A.subtract, normal(3, 4), normal(3, 1)), call(A.subtract, normal(4), normal(3, 4))],
    A.multiply: [call(A.multiply, normal(3, 4), normal(4)), call(A.multiply, normal(1), normal(3, 4))],
    A.divide: [call(A.divide, normal(3, 4), positive(4)), call(A.divide, normal(4), positive(3, 1))],
    A.power: [call(A.power, normal(3, 4), exponent=3), call(A.power, positive(5), exponent=-0.5)],
    A.negative: [call(A.negative, normal(3))],
    A.matmul: [call(A.matmul, normal(3, 4), normal(4, 2))],
    A.exp: [call(A.exp, normal(3, 4))],
    A.log: [call(A.log, positive(3, 4))],
    A.sqrt: [call(A.sqrt, positive(3, 4))],
    A.log1p: [call(A.log1p, positive(3, 4))],
    A.absolute: [call(A.absolute, distinct(3, 4))],
    A.clip: [call(A.clip, distinct(3, 4), low=-0.2, high=0.4)],
    A.maximum: [
        call(A.maximum, distinct(3, 4), lambda rng: rng.permutation(4) / 10 - 0.2),
        call(A.maximum, distinct(4), lambda rng: -0.1 * np.ones((3, 1))),
    ],
    A.minimum: [call(A.minimum, distinct(3, 4), lambda rng: rng.permutation(4) / 10 - 0.2)],
    A.sin: [call(A.sin, normal(3, 4))],
    A.cos: [call(A.cos, normal(3, 4))],
    R.product: [
        call(R.product, positive(3, 4, 2), axis=axis, keepdims=keep) for axis, keep in REDUCTIONS
    ] + [call(R.product, lambda rng: np.array([[2.0, 0, 3], [0, 0, 1], [4, 5, 6]]), axis=1)],
    J.concatenate: [
        call(J.concatenate, normal(2, 3, 1), normal(2, 3, 4)), call(J.concatenate, normal(1, 2), normal(3, 2), axis=0),
        call(J.concatenate, normal(2, 1, 2), normal(2, 2, 2), normal(2, 3, 2), axis=1),
    ],
    J.stack: [call(J.stack, normal(2, 3), normal(2, 3), axis=axis) for axis in (0, 1, -1)]
    + [call(J.stack, normal(), normal())],
    J.part: [call(J.part, normal(4), key=2), call(J.part, normal(3, 4), key=(1, -1))] + [
        call(J.part, normal(3, 4, 2), key=key)
        for key in (1, (slice(None), 2), (..., 0), (slice(2, 0, -1), None, slice(1, 3)))
    ],
    J.segment_sum: [call(J.segment_sum, normal(5, *rest), ids=np.array([2, 0, 2, 7, -1]), count=4)
                    for rest in ((), (3,), (2, 2))],
    J.tile: [call(J.tile, normal(2, 3), repeats=(2, 1)), call(J.tile, normal(2, 1, 3), repeats=(3, 2))],
    J.batch_matmul: [
        call(J.batch_matmul, normal(2, 3, 4), normal(2, 4, 5)), call(J.batch_matmul, normal(1, 1, 3), normal(1, 3, 1)),
    ],
    R.cumulative_sum: [call(R.cumulative_sum, normal(3, 4), axis=axis) for axis in (0, -1)],
    ops.compare.where: [
        lambda rng: (lambda a, b: ops.compare.where(np.arange(12.0).reshape(3, 4) % 3, a, b),
                     [rng.standard_normal((3, 4)), rng.standard_normal(4)])
    ],
    C.conv2d: list(convolutions()),
    C.conv2d_transpose: [
        call(C.conv2d_transpose, normal(2, 3, 4, 2), normal(3, 2, 3, 2), normal(3), size=size, strides=(s, s), pads=p)
        for size, s, p in (
            ((5, 5), 1, ((0, 0), (0, 0))), ((6, 8), 2, ((0, 1), (0, 0))), ((3, 4), 1, ((1, 1), (0, 1))))
    ],
    C.depthwise_conv2d: [
        call(C.depthwise_conv2d, normal(2, 5, 6, 3), normal(3, 2, 3, m), strides=s,
             pads=resolve_pads(p, (5, 6), (3, 2), s))
        for m in (1, 2) for s in ((1, 1), (2, 1)) for p in ("valid", "same")
    ],
    C.dilate: [call(C.dilate, normal(3, 2, 3, 2), rate=rate) for rate in ((1, 1), (2, 3))],
    ops.pool.adaptive_average_pool: [call(ops.pool.adaptive_average_pool, normal(2, 5, 4, 2), size=s)
                                     for s in ((2, 2), (3, 7), (1, 4))],
    ops.pool.adaptive_max_pool: [call(ops.pool.adaptive_max_pool, normal(2, 5, 4, 2), size=s)
                                 for s in ((2, 2), (3, 7), (1, 4))],
    ops.resize.repeat_pixels: [call(ops.resize.repeat_pixels, normal(2, 3, 4, 2), size=(2, 3))],
    ops.resize.crop: [call(ops.resize.crop, normal(2, 5, 4, 2), edges=((1, 2), (0, 3)))],
    ops.resize.bilinear: [call(ops.resize.bilinear, normal(2, 3, 4, 2), size=s) for s in ((6, 4), (2, 9), (1, 1))],
    ops.resize.resample: [
        call(ops.resize.resample, normal(2, 5, 4, 2), size=(3, 6), interpolation=how, antialias=antialias)
        for how in ops.resize.KERNELS for antialias in (False, True)
    ],
    G.random_flip: [call(G.random_flip, normal(4, 3, 4, 2), key=Key(7, 3, 1), horizontal=a, vertical=b)
                    for a, b in ((True, True), (True, False), (False, True))],
    G.random_warp: [
        call(G.random_warp, normal(3, 5, 4, 2), key=Key(7, 3, 1), angle=(-1.0, 1.0), shift=((-0.4, 0.4), (0.1, 0.2)),
             zoom=((-0.3, 0.3), zoom), fill_mode=mode, fill_value=0.5, nearest=nearest)
        for zoom, mode in ((None, "reflect"), ((0.2, 0.2), "wrap"), (None, "constant"), (None, "nearest"))
        for nearest in (False, True)
    ],
    G.random_contrast: [call(G.random_contrast, normal(3, 4, 5, 2), key=Key(7, 3, 1), factor=(0.5, 0.5),
                             value_range=r) for r in ((-9, 9), (-0.7, 0.8))],
    G.random_brightness: [call(G.random_brightness, normal(3, 4, 5, 2), key=Key(7, 3, 1), factor=(-0.2, 0.4),
                               value_range=r) for r in ((-9, 9), (-0.7, 0.8))],
    G.random_shift: [call(G.random_shift, normal(3, 5, 4, 2), key=Key(7, 3, 1), most=(2, 1), fill_mode=mode,
                          fill_value=0.5) for mode in ("reflect", "wrap", "constant", "nearest")],
    G.random_shear: [call(G.random_shear, normal(3, 5, 4, 2), key=Key(7, 3, 1), across=(0.1, 0.4), down=(-0.3, 0.2),
                          fill_mode=mode, fill_value=0.5, nearest=nearest)
                     for mode in ("reflect", "constant") for nearest in (False, True)],
    G.random_perspective: [call(G.random_perspective, normal(4, 5, 4, 2), key=Key(7, 3, 1), factor=(0.5, 0.9),
                                scale=scale, fill_value=0.5, nearest=nearest)
                           for scale in (0.4, 1.0) for nearest in (False, True)],
    M.mix_up: [call(M.mix_up, normal(*shape), key=Key(7, 3, 1), alpha=alpha)
               for shape in ((9, 3, 2, 2), (9, 4)) for alpha in (0.2, 2)],
    M.cut_mix: [call(M.cut_mix, normal(9, 4, 3, 2), key=Key(7, 3, 1), factor=(0.5, 1.0))],
    M.cut_mix_labels: [call(M.cut_mix_labels, normal(9, 4), key=Key(7, 3, 1), factor=(0.5, 1.0), size=(4, 3))],
    G.random_pick: [call(G.random_pick, *[normal(7, 2, 3, 1)] * 3, key=Key(7, 3, 1))],
    H.random_gray: [call(H.random_gray, normal(4, 3, 5, 3), key=Key(7, 3, 1), factor=(0.3, 0.9), **how)
                    for how in ({"value_range": (-0.7, 0.8)}, {"entire": True}, {})],
    H.random_saturation: [call(H.random_saturation, positive(5, 3, 4, 3), key=Key(7, 3, 1), factor=f)
                          for f in ((0.0, 0.4), (0.4, 0.95), (1.0, 1.0))],
    H.random_hue: [call(H.random_hue, normal(5, 3, 4, 3), key=Key(7, 3, 1), factor=(0.0, 1.0), value_range=r)
                   for r in ((-9, 9), (-0.7, 0.8))],
    H.random_invert: [call(H.random_invert, normal(6, 3, 4, 2), key=Key(7, 3, 1), factor=(0.3, 0.8), high=2.0)],
    H.random_posterize: [call(H.random_posterize, distinct(3, 4, 5, 2), key=Key(7, 3, 1), bits=(1, 6),
                              value_range=(-25.5, 25.5))],
    H.random_solarize: [call(H.random_solarize, normal(3, 4, 5, 2), key=Key(7, 3, 1), addition=(0, 0.3),
                             threshold=(0.4, 0.6), value_range=(-1.5, 1.5))],
    H.random_sharpness: [call(H.random_sharpness, normal(3, 5, 4, 2), key=Key(7, 3, 1), factor=(0.0, 1.0),
                              value_range=r) for r in ((-9, 9), (-0.7, 0.8))],
    H.random_blur: [call(H.random_blur, normal(4, 5, 6, 2), key=Key(7, 3, 1), factor=(0.3, 0.9), size=(3, 5),
                         sigma=(0.4, 1.0), value_range=r) for r in ((-9, 9), (-0.5, 0.6))],
    H.auto_contrast: [call(H.auto_contrast, normal(3, 4, 5, 2), value_range=(-1, 2)),
                      call(H.auto_contrast, normal(2, 1, 1, 3), value_range=(-1, 2))],
    H.equalize: [call(H.equalize, distinct(2, 4, 5, 2), value_range=(-25.5, 25.5), bins=16)],
    G.random_erasing: [call(G.random_erasing, normal(4, 5, 3, 3), key=Key(7, 3, 1), factor=(0.8, 1.0), scale=(0.2, 0.6),
                            value_range=(-9, 9), fill_value=fill) for fill in (None, 0.5, (1, 2, 3))],
    G.random_crop: [call(G.random_crop, normal(3, 5, 4, 2), key=Key(7, s, 1), size=(2, 3)) for s in (1, 2)],
    D.dense: [
        call(D.dense, normal(3, 5), normal(5, 4), normal(4)), call(D.dense, normal(2, 3, 5), normal(5, 4), normal(4)),
        with_constant(D.dense, normal(3, 5), normal(5, 4), lambda rng: None), relu_dense,
    ],
    ops.dropout.dropout: [
        call(ops.dropout.dropout, normal(3, 4, 5), rate=rate, key=Key(7, 3, 1)) for rate in (0.0, 0.25, 0.9, 1.0)
    ],
    ops.dropout.shared_dropout: [
        call(ops.dropout.shared_dropout, normal(3, 2, 4, 5), rate=rate, key=Key(7, 3, 1), noise_shape=noise)
        for rate in (0.0, 0.4, 1.0) for noise in ((None, 1, 1, None), (1, 2, 1, 5))
    ],
    ops.dropout.alpha_dropout: [
        call(ops.dropout.alpha_dropout, normal(3, 4, 5), rate=rate, key=Key(7, 3, 1), noise_shape=noise)
        for rate in (0.0, 0.25, 0.9) for noise in (None, (3, 1, None), (1, 4, 5))
    ],
    ops.dropout.gaussian_dropout: [
        call(ops.dropout.gaussian_dropout, normal(*shape), rate=rate, key=Key(7, 3, 1))
        for rate in (0.0, 0.25, 0.9) for shape in ((3, 4, 5), (3, 5))
    ],
    ops.dropout.gaussian_noise: [call(ops.dropout.gaussian_noise, normal(3, 5), stddev=0.3, key=Key(7, 3, 1))],
    L.softmax_cross_entropy: [with_constant(L.softmax_cross_entropy, normal(4, 5), probabilities(4, 5)),
                              with_constant(L.softmax_cross_entropy, normal(4, 5), positive(4, 5))],
    L.scaled_sum: [call(L.scaled_sum, normal(3, 4), scale=0.3), call(L.scaled_sum, normal(5), scale=2)],
    L.sigmoid_cross_entropy: [with_constant(L.sigmoid_cross_entropy, normal(4, 5), probabilities(4, 5))],
    L.huber: [call(L.huber, distinct(4, 5), delta=0.43)],
    L.log_cosh: [call(L.log_cosh, normal(4, 5))],
    L.plus_minus_one: [_without_gradient(L.plus_minus_one)],
    L.valid_share: [_without_gradient(L.valid_share)],
    N.batch_norm: [
        first(N.batch_norm, normal(4, 3, 5, 2), normal((4, 3, 5, 2)[axis]), normal((4, 3, 5, 2)[axis]), axis=axis)
        for axis in (1, 2, 3, -1, -2)
    ] + [first(N.batch_norm, normal(6, 3), normal(3), normal(3), eps=0.1)],
    N.batch_norm_shared: [  # of one process; of several: tests/training/test_world.py
        first(N.batch_norm_shared, normal(4, 3, 5, 2), normal(n), normal(n), axis=axis) for axis, n in ((1, 3), (-1, 2))
    ],
    N.batch_norm_fixed: [
        lambda rng, axis=axis, shape=shape: (
            lambda x, gamma, beta: N.batch_norm_fixed(x, gamma, beta, np.arange(3.0), np.arange(3.0) + 1, axis=axis),
            [rng.standard_normal(shape), rng.standard_normal(3), rng.standard_normal(3)],
        ) for axis, shape in ((1, (4, 3, 5)), (-1, (4, 2, 3)))
    ],
    P.max_pool: [call(P.max_pool, IMAGES, **w) for w in WINDOWS],
    P.average_pool: [call(P.average_pool, IMAGES, **w) for w in WINDOWS],
    S.reshape: [call(S.reshape, normal(3, 4), shape=(2, 6)), call(S.reshape, normal(3, 4), shape=(6, -1)),
                call(S.reshape, normal(1, 1), shape=())],
    S.flatten: [call(S.flatten, normal(3, 4, 2))],
    S.transpose: [call(S.transpose, normal(3, 4, 2), axes=axes) for axes in (None, (1, 2, 0), (0, -1, 1))]
    + [call(S.transpose, normal())],
    S.zero_pad: [call(S.zero_pad, normal(2, 3, 4, 2), pads=((1, 2), (0, 3)))],
    V.prelu: [call(V.prelu, distinct(3, 4), normal(4)), call(V.prelu, distinct(2, 3, 4), normal(1, 4))],
    V.hard_sigmoid: [call(V.hard_sigmoid, lambda rng: np.array([-4.0, -2.9, 0.1, 2.9, 3.1]))],
    V.gelu: [call(V.gelu, normal(3, 4)), call(V.gelu, normal(3, 4), approximate=True)],
    V.relu_general: [
        call(V.relu_general, distinct(4, 5)),
        call(V.relu_general, distinct(4, 5), max_value=0.5, negative_slope=0.1, threshold=0.2),
    ],
} | {
    f: [call(f, distinct(3, 4, 2), axis=axis, keepdims=keep) for axis, keep in REDUCTIONS]
    for f in (R.total, R.mean, R.variance, R.logsumexp, R.amax, R.amin)
} | {f: [call(f, normal(3, 4))] for f in SMOOTH} | {f: [call(f, distinct(3, 4))] for f in KINKED}  # fmt: skip


def all_ops():
    """Every function of minicnn.ops that @op made; what only asks has no gradient."""
    for info in pkgutil.iter_modules(ops.__path__):
        module = importlib.import_module(f"minicnn.ops.{info.name}")
        for name, f in vars(module).items():
            if inspect.isfunction(f) and hasattr(f, "__wrapped__") and f.__module__ == module.__name__:
                if ops.compare.UNTRACKED.get(name) is f:
                    continue
                assert not name.startswith("_")
                yield f


def test_every_op_is_checked():
    found = set(all_ops())
    assert len(found) > 30  # the search itself works
    missing = sorted(f.__name__ for f in found - set(CASES))
    assert not missing, f"no gradient check for {missing}"


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{f.__name__}-{i}") for f, cases in CASES.items() for i, case in enumerate(cases)]
)
def test_gradient(rng, case):
    f, args = case(rng)
    check_grad(f, args, rng=rng, rtol=1e-6)


def test_dropout_keeps_its_decisions(rng, oracle):
    """The same key: the gradient is dropped where the value was."""
    x = ops.Tensor(rng.uniform(1, 2, (50, 20)), oracle, requires_grad=True)
    y = ops.dropout.dropout(x, rate=0.3, key=Key(1, 2, 3))
    y.backward(np.ones(y.shape))
    np.testing.assert_array_equal(y.numpy() == 0, x.grad == 0)
    assert 0.2 < (x.grad == 0).mean() < 0.4
    np.testing.assert_allclose(x.grad[x.grad != 0], 1 / 0.7)


def test_kinks_have_the_stated_gradient(oracle):
    """At 0 the ReLU family takes the lower side, as Keras; on ties max-pool takes the first cell, maximum takes a."""

    def slope(f, values=(0.0,), **static):
        x = ops.Tensor(np.array(values), oracle, requires_grad=True)
        f(x, **static).backward(np.ones(len(values)))
        return x.grad.tolist()

    assert slope(V.relu) == [0]
    assert slope(V.relu_general, negative_slope=0.3) == [0.3]
    assert slope(V.leaky_relu, negative_slope=0.3) == [0.3]
    x = ops.Tensor(np.zeros((1, 2, 2, 1)), oracle, requires_grad=True)
    P.max_pool(x, window=(2, 2), strides=(2, 2)).sum().backward()
    assert x.grad.ravel().tolist() == [1, 0, 0, 0]
    a, b = (ops.Tensor(np.zeros(1), oracle, requires_grad=True) for _ in range(2))
    A.maximum(a, b).sum().backward()
    assert (a.grad, b.grad) == (1, 0)
