"""Self-check: every kernel runs once on small cases on this device, and is compared with numpy_ref.

      compile_all    every file, in threads, since a compiler takes seconds for each
      check          kernel by kernel: the set's results against numpy_ref's, on the same device in float64

A GPU, a driver or a compiler that nobody has tried may do anything. Here it is found out before a number is used:
what does not compile, does not start or does not agree is named, and the caller leaves it out.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed

import numpy as np

from .. import numpy_ref
from ..contract import Key, as_acb
from ..numpy_ref.random import words
from . import FUNCTIONS, activation, loss, norm, step
from .dense import Parts
from .launch import PRECISIONS, STEMS, VARIANTS, Launcher

BOUND = 2e-5  # of the largest value, for sums and functions in float32
PRODUCTS = {"float32": BOUND, "tf32": 5e-3, "bf16": 4e-2, "3xtf32": BOUND}  # for what is made of matrix products
OF_PRODUCTS = "conv2d", "dense"  # how their names begin; of numpy_ref's, a row may depend on the others of its batch
POOL = {"window": (2, 2), "strides": (2, 2), "pads": ((0, 0), (0, 0))}
SAME = {"strides": (1, 1), "pads": ((1, 1), (1, 1))}
KEY = Key(2**40 + 5, 3, 7)
CONVS = [  # (N, H, W, C), filters, strides: every variant, both tiles, sums in one part and in several
    ((2, 9, 8, 1), 32, (1, 1)), ((2, 9, 8, 8), 36, (1, 1)), ((1, 7, 9, 32), 32, (2, 1)), ((2, 8, 7, 3), 5, (1, 1)),
]  # fmt: skip
DENSES = [(5, 260, 36), (3, 33, 10), (130, 8, 4)]
STEPS = {
    "sgd_step": (3, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "rmsprop_step": (5, {"lr": 0.01, "rho": 0.9, "momentum": 0.5, "eps": 1e-3}),
    "adam_step": (5, {"rate": 0.01, "beta_1": 0.9, "beta_2": 0.99, "eps": 1e-3}),
    "adagrad_step": (3, {"lr": 0.1, "eps": 1e-3}),
    "adadelta_step": (4, {"lr": 0.1, "rho": 0.9, "eps": 1e-3}),
    "adamax_step": (4, {"rate": 0.01, "beta_1": 0.9, "beta_2": 0.99, "eps": 1e-3}),
    "nadam_step": (4, {"lr": 0.01, "scales": (0.9, 0.8, 1.1), "beta_1": 0.9, "beta_2": 0.99, "eps": 1e-3}),
    "lion_step": (3, {"lr": 0.1, "beta_1": 0.9, "beta_2": 0.99}),
    "ftrl_step": (4, {"lr": 0.1, "power": 0.5, "penalties": (0.1, 0.2, 0.3), "beta": 0.4}),
}  # fmt: skip


def files(precision: str) -> list[tuple[str, tuple[str, ...]]]:
    """(stem, options) of all that a launcher of this precision may start; what takes longest comes first."""
    mode = f"-DMODE={PRECISIONS.index(precision)}"
    found = [(stem, options) for stem in STEMS for options in VARIANTS[stem] if not options or mode in options]
    return sorted(found, key=lambda case: ("conv", "dense").index(case[0]) if case[1] else 2)


def compile_all(gpu: Launcher, cases: list, progress: Callable[[int, int], None] | None = None) -> None:
    """Compile (stem, options) side by side, one thread per processor. One that fails is left for its first launch.

    progress: called with how many are done, and of how many.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        waiting = [pool.submit(gpu.module, *case) for case in cases]
        for done, _ in enumerate(as_completed(waiting), 1):
            if progress is not None:
                progress(done, len(cases))


def cases(kernel: str, rng) -> list[tuple[list, dict]]:
    """Arguments of a kernel, arrays as NumPy's, in float32: small, and such that every branch is taken."""
    normal = rng.standard_normal

    def images(c=5):
        return normal((3, 6, 8, c))

    if kernel in STEPS:
        count, rates = STEPS[kernel]
        arrays = [normal(1000), normal(1000), *(np.abs(normal(1000)) for _ in range(count - 2))]
        if kernel == "rmsprop_step":
            arrays[2] += np.square(arrays[4]) + 1  # v - a^2 stays positive
        return [([*arrays[:2], tuple(arrays[2:])], rates)]
    if kernel in ("conv2d", "conv2d_folded", "conv2d_input_grad", "conv2d_weight_grad"):
        found = []
        for shape, o, strides in CONVS:
            conv_args = {"strides": strides, "pads": ((1, 1), (1, 1))}
            x, w, b = normal(shape), normal((3, 3, shape[3], o)), normal(o)
            dy = normal((shape[0], *((shape[1 + a] - 1) // strides[a] + 1 for a in (0, 1)), o))
            found.append({"conv2d": ([x, w, b], {**conv_args, "relu": True}),
                          "conv2d_folded": ([x, w, b, (normal(o), normal(o))], {"conv": {**conv_args, "relu": True}}),
                          "conv2d_input_grad": ([dy, w, shape], conv_args),
                          "conv2d_weight_grad": ([x, dy, w.shape], conv_args)}[kernel])  # fmt: skip
        return found
    if kernel.startswith("dense"):
        return [
            {"dense": ([normal((n, i)), normal((i, o)), normal(o)], {"relu": True}),
             "dense_input_grad": ([normal((n, o)), normal((i, o))], {}),
             "dense_weight_grad": ([normal((n, i)), normal((n, o))], {})}[kernel]
            for n, i, o in DENSES
        ]  # fmt: skip
    x, c = np.maximum(images(), 0), 5
    mean, var, gamma, beta = normal(c), np.abs(normal(c)) + 0.5, normal(c), normal(c)
    y, argmax = numpy_ref.max_pool(x.astype(np.float32), **POOL)
    by_channel, filters = as_acb(x, -1), normal((3, 3, c, 2))
    return {
        "affine_warp": lambda: [
            ([x, np.eye(2, 3) + 0.1 * normal((3, 2, 3))], {"fill_mode": "nearest", "cval": 0.0, "scale": 0.5}),
            ([(90 * x).astype(np.uint8) % 255, np.eye(2, 3) + 0.1 * normal((3, 2, 3))],
             {"fill_mode": "constant", "cval": 3.0, "scale": 0.5}),
        ],
        "average_pool": lambda: [([x], POOL)],
        "average_pool_grad": lambda: [([normal(y.shape), x.shape], POOL)],
        "batch_norm": lambda: [([by_channel, mean, var, gamma, beta], {"eps": 1e-3})],
        "batch_norm_dropout": lambda: [([by_channel, mean, var, gamma, beta], {"eps": 1e-3, "rate": 0.25, "key": KEY})],
        "batch_norm_dropout_grad": lambda: [
            ([normal(by_channel.shape), by_channel, mean, var, gamma], {"eps": 1e-3, "rate": 0.25, "key": KEY})
        ],
        "batch_norm_grad": lambda: [
            ([normal(by_channel.shape), by_channel, mean, var, gamma], {"eps": 1e-3, "batch_stats": True, "relu": r})
            for r in (False, True)
        ],
        "batch_norm_max_pool": lambda: [
            ([x, (mean, var, gamma, beta, 1e-3, -1)], {"pool": {**POOL, "rate": 0.25, "key": KEY}})
        ],
        "batch_norm_max_pool_grad": lambda: [
            ([normal(y.shape), argmax, x, (mean, var, gamma, 1e-3, -1)], {"pool": {**POOL, "rate": 0.25}})
        ],
        "batch_norm_stats": lambda: [([10 + by_channel], {})],
        "bias_grad": lambda: [([images()], {})],
        "depthwise_conv2d": lambda: [([x, filters], SAME)],
        "depthwise_conv2d_input_grad": lambda: [([normal((3, 6, 8, 10)), filters, x.shape], SAME)],
        "depthwise_conv2d_weight_grad": lambda: [([x, normal((3, 6, 8, 10)), filters.shape], SAME)],
        "dropout": lambda: [([images()], {"rate": 0.25, "key": KEY})],
        "max_pool": lambda: [([images()], POOL), ([images()], {**POOL, "rate": 0.25, "key": KEY})],
        "max_pool_grad": lambda: [([normal(y.shape), argmax, x.shape], POOL),
                                  ([normal(y.shape), argmax, x.shape], {**POOL, "y": y})],
        "philox": lambda: [([1001, KEY], {})],
        "relu": lambda: [([images()], {})],
        "relu_bias_grad": lambda: [([images(), x], {})],
        "relu_grad": lambda: [([images(), x], {})],
        "softmax": lambda: [([3 * normal((9, 10))], {})],
        "softmax_cross_entropy": lambda: [([3 * normal((9, 10)), np.eye(10)[rng.integers(0, 10, 9)]], {})],
        "summed_cross_entropy": lambda: [([3 * normal((9, 10)), np.eye(10)[rng.integers(0, 10, 9)]], {"scale": 0.25})],
    }[kernel]()  # fmt: skip


# Chains whose definition is several kernels of numpy_ref.


def _batch_norm_max_pool(x, norm, *, pool):
    *values, eps, _ = norm
    y = numpy_ref.batch_norm(as_acb(x, -1), *values, eps=eps).reshape(x.shape)
    return numpy_ref.max_pool(y, **pool)


def _batch_norm_max_pool_grad(dy, argmax, x, norm, *, pool):
    *values, eps, _ = norm
    dy = numpy_ref.max_pool_grad(dy, argmax, x.shape, **pool)
    dx, *rest = numpy_ref.batch_norm_grad(as_acb(dy, -1), as_acb(x, -1), *values, eps=eps, batch_stats=True, relu=True)
    return dx.reshape(x.shape), *rest


def _batch_norm_dropout(x, mean, var, gamma, beta, *, eps, **drop):
    return numpy_ref.dropout(numpy_ref.batch_norm(x, mean, var, gamma, beta, eps=eps), **drop)


def _batch_norm_dropout_grad(dy, *norm_args, eps, **drop):
    return numpy_ref.batch_norm_grad(numpy_ref.dropout(dy, **drop), *norm_args, eps=eps, batch_stats=True, relu=True)


def _summed_cross_entropy(z, t, *, scale):
    loss, dz = numpy_ref.softmax_cross_entropy(z, t)
    return loss.sum() * scale, dz * scale


CHAINS = {"batch_norm_max_pool": _batch_norm_max_pool, "batch_norm_max_pool_grad": _batch_norm_max_pool_grad,
          "batch_norm_dropout": _batch_norm_dropout, "batch_norm_dropout_grad": _batch_norm_dropout_grad,
          "summed_cross_entropy": _summed_cross_entropy}  # fmt: skip
BLOCKS = {  # not of the contract: what the rules of minicnn/ops/block.py put in the place of several kernels
    "batch_norm_dropout": norm.batch_norm_dropout, "batch_norm_dropout_grad": norm.batch_norm_dropout_grad,
    "summed_cross_entropy": loss.summed_cross_entropy,
}  # fmt: skip
CHECKED = tuple(
    name for name in FUNCTIONS
    if name not in ("batch_norm_conv2d_weight_grad", "conv2d_max_pool", "conv2d_max_pool_grad")  # made of the others
)  # fmt: skip
RECORDED = "recorded steps"  # not of the contract: step.cu, with which a device runs epochs by itself


def definition(gpu: Launcher, name: str) -> Callable:
    """What the kernel should compute, on the arrays of `gpu`."""
    if name == "philox":
        return lambda n, key: words(gpu.xp, n, key)
    return CHAINS.get(name) or getattr(numpy_ref, name)


def check(gpu: Launcher, to_numpy: Callable, known: dict | None = None) -> tuple[dict[str, str], bool]:
    """({kernel: what is wrong with it}, whether the device still works); ({}, True): all is well.

    A kernel that reads or writes where it must not can end the device's work for this process: nothing is checked
    after it.  known: what is wrong already; those kernels are not started.
    """
    wrong = dict(known or {})
    for name in (*CHECKED, *BLOCKS, RECORDED):
        if name in wrong:
            continue
        try:
            found = _recorded_steps(gpu, to_numpy) if name == RECORDED else _disagreement(gpu, to_numpy, name)
        except Exception as cause:
            what = "compile" if getattr(cause, "compiling", None) else "run"
            text = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
            found = f"does not {what}: {text[:150]}"
        if found:
            wrong[name] = found
            if not works(gpu, to_numpy):
                return wrong, False
    return wrong, True


def works(gpu: Launcher, to_numpy: Callable) -> bool:
    """Whether the device still computes."""
    try:
        return to_numpy(gpu.xp.ones(3, np.float32) + 1).tolist() == [2, 2, 2]
    except Exception:
        return False


def _disagreement(gpu, to_numpy, name) -> str | None:
    product, function = name.startswith(OF_PRODUCTS), (FUNCTIONS | BLOCKS)[name]
    bound = PRODUCTS[gpu.precision] if product else BOUND
    for args, static in cases(name, np.random.default_rng(22)):
        narrow = [_sent(gpu, value, np.float32) for value in args]
        wide = [_sent(gpu, value, np.float64) for value in args]
        static_wide = {key: _sent(gpu, value, np.float64) for key, value in static.items()}
        static = {key: _sent(gpu, value, np.float32) for key, value in static.items()}
        if name in STEPS:
            function(gpu, *narrow, **static)
            definition(gpu, name)(*wide, **static_wide)
            actual, expected = ([*arrays[:2], *arrays[2]] for arrays in (narrow, wide))
        else:
            actual, expected = function(gpu, *narrow, **static), definition(gpu, name)(*wide, **static_wide)
        pairs = zip(actual, expected, strict=True) if isinstance(expected, (tuple, list)) else [(actual, expected)]
        for k, pair in enumerate(pairs):
            a, e = map(to_numpy, pair)
            if a.shape != e.shape:
                return f"wrong shape: expected {e.shape}, received {a.shape}"
            error = np.abs(a.astype(np.float64) - e).max() / max(np.abs(e).max(), 1e-30)
            if not error <= (bound if a.dtype.kind == "f" else 0):
                return f"wrong numbers: result {k} is off by {error:.1e} of its largest value, {bound:.0e} is allowed"
    return None


def _sent(gpu, value, dtype):
    """An array on the device; floats, but for the matrices of a warp, in `dtype` rounded to float32."""
    if type(value) is tuple:
        return tuple(_sent(gpu, part, dtype) for part in value)
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.kind == "f" and value.shape[1:] != (2, 3):
        value = value.astype(np.float32).astype(dtype)
    return gpu.xp.asarray(np.ascontiguousarray(value))


def _recorded_steps(gpu, to_numpy) -> str | None:
    """The kernels of step.cu, through two steps of an epoch on known tables."""
    xp, rng = gpu.xp, np.random.default_rng(22)
    rows, order = rng.standard_normal((7, 3)).astype(np.float32), np.array([4, 1, 6, 0], np.int32)
    tables = step.Epoch(gpu, rows=4, steps=2, rates=2, augmented=False)
    rates = rng.standard_normal((2, 2)).astype(np.float32)
    for table, value in ((tables.progress, [0, 0, 0, -1]), (tables.order, order), (tables.starts, [0, 2]),
                         (tables.counters, [5, 6]), (tables.rates, rates)):  # fmt: skip
        table[...] = xp.asarray(np.asarray(value, table.dtype))
    outputs, answers = np.array([[0, 1.0], [1, 0]], np.float32), np.array([0, 1, 1, 0, 1, 1, 0], np.int32)
    sent = [xp.asarray(value) for value in (rows, rows.astype(np.uint8), outputs, answers)]
    read = []
    for k in (0, 1):
        tables.begin()
        read += [(tables.gather(sent[0], 2), rows[order[2 * k :][:2]]),
                 (tables.gather(sent[1], 2), rows.astype(np.uint8)[order[2 * k :][:2]])]  # fmt: skip
        tables.end(xp.asarray(np.float32(k + 1)).reshape(()), sent[2], sent[3], logits=k == 1)
    right = [(outputs.argmax(1) == answers[order[2 * k :][:2]]).sum() for k in (0, 1)]
    to, added, average = xp.zeros((3, 2), np.float32), xp.zeros(3, np.float32), xp.ones(5, np.float32)
    halves = Parts(sent[0][:2].reshape(2, 1, 3), (3,))
    step.blend(gpu, [(to, sent[0][:2].reshape(3, 2)), (added, halves)], [(average, xp.full(5, 3, np.float32), 0.75)])
    read += [(tables.progress, [2, 1, 2, -1]), (tables.rate, rates[1]), (tables.losses, [1, 2]), (tables.right, right),
             (to, rows[:2].reshape(3, 2)), (added, rows[0] + rows[1]), (average, np.full(5, 1.5)),
             (activation.erf(gpu, xp.asarray([-1, 0, 0.5], np.float32)), [-0.8427008, 0, 0.5204999])]  # fmt: skip
    for k, (a, e) in enumerate(read):
        if not np.allclose(to_numpy(a), e, rtol=1e-6, atol=1e-6):
            return f"wrong numbers: result {k} is {to_numpy(a).tolist()}, expected {np.asarray(e).tolist()}"
    return None
