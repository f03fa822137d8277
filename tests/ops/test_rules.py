"""The oracle of every rule: the unfused program in numpy_ref float64. Rules times geometries, forward and backward."""

import numpy as np
import pytest

from minicnn import Parameter
from minicnn.backend.cpu import CPU
from minicnn.core.program import Program, Trace
from minicnn.core.tensor import no_grad
from minicnn.kernels import Key
from minicnn.ops.activation import relu
from minicnn.ops.arithmetic import multiply, total
from minicnn.ops.block import RULES
from minicnn.ops.conv import conv2d
from minicnn.ops.dense import dense
from minicnn.ops.dropout import dropout
from minicnn.ops.loss import scaled_sum, softmax_cross_entropy
from minicnn.ops.norm import batch_norm, batch_norm_fixed
from minicnn.ops.pool import max_pool
from minicnn.ops.shape import zero_pad
from tests.cuda.emulation import EmulatedGPU

HALVES = {"window": (2, 2), "strides": (2, 2), "pads": ((0, 0), (0, 0))}
OVERLAPS = {"window": (3, 2), "strides": (2, 1), "pads": ((1, 0), (0, 1))}
GEOMETRIES = [  # x, window, filters, pads: whole and odd tiles, vectors that are not full, Winograd and im2col
    ((3, 14, 14, 3), (3, 3), 8, ((1, 1), (1, 1))),
    ((4, 11, 9, 17), (3, 3), 33, ((0, 0), (0, 0))),
    ((2, 12, 13, 1), (5, 5), 16, ((2, 2), (2, 2))),
    ((5, 6, 5, 4), (2, 3), 5, ((1, 0), (1, 1))),
]
CHAINS = {  # rule -> what may stand behind the product: (norm's axis, pool, rate)
    "conv": [(None, None, 0), (-1, None, 0), (None, HALVES, 0), (None, HALVES, 0.25), (-1, HALVES, 0),
             (3, HALVES, 0.25), (1, HALVES, 0.25), (-1, OVERLAPS, 0.25), (None, OVERLAPS, 0), (1, OVERLAPS, 0)],
    "dense": [(None, None, 0), (-1, None, 0)],
}  # fmt: skip
CASES = [
    (kind, geometry, *ending, padded, training)
    for kind, padded, training in (("conv", False, True), ("conv", True, True), ("conv", False, False),
                                   ("dense", False, True), ("dense", False, False))
    for geometry in (GEOMETRIES if kind == "conv" else GEOMETRIES[:1]) for ending in CHAINS[kind]
    if not (padded and ending[0] == 3)
]  # fmt: skip


def chain(kind, x, p, geometry, axis, pool, rate, padded, training):
    """The layers' ops one by one, from x and the parameters p."""
    if kind == "dense":
        y = relu(dense(x, p["w"], p["b"]))
    else:
        if padded:
            x = zero_pad(x, pads=((1, 0), (0, 2)))
        y = relu(conv2d(x, p["w"], p["b"], pads=geometry[3]))
    if axis is not None:
        given, averages = (p["gamma"], p["beta"]), (p["mean"].data, p["var"].data)
        y = batch_norm(y, *given, axis=axis)[0] if training else batch_norm_fixed(y, *given, *averages, axis=axis)
    if pool:
        y = max_pool(y, **pool)
    return dropout(y, rate=rate, key=Key(5, 6, 7)) if rate and training else y


def run(be, values, case, of_x, fused):
    """Outputs and, in training, the gradients of all parameters for a random cotangent; and the program's ops."""
    kind, geometry, axis, pool, rate, padded, training = case
    p = {name: Parameter(value, be, name) for name, value in values.items() if name not in ("x", "u")}
    x = Parameter(values["x"], be, "x") if of_x else None
    arrays = [be.asarray(values[name], be.dtype) for name in ("x", "u")]
    with Trace(be, [*p.values(), *([x] if of_x else [])]) as trace:
        given, u = trace.input(arrays[0].shape), None
        tail = kind, x if of_x else given, p, geometry, axis, pool, rate, padded, training
        if training:
            y = chain(*tail)
            u = trace.input(y.shape)
            loss = total(multiply(y, u))
        else:
            with no_grad():
                y, loss = chain(*tail), None
    inputs = [given] if u is None else [given, u]
    program = Program(trace, inputs, y, loss, rules=RULES if fused else (), fused=be.fused if fused else frozenset())
    sent = arrays[: len(inputs)]
    if u is not None:
        sent[1] = sent[1][tuple(slice(n) for n in u.shape)].copy()
    out, vjps = program.forward(be, sent, 5)
    if training:
        program.backward(be, vjps, be.xp.ones((), be.dtype))
    found = {name: be.to_numpy(q.grad) for name, q in {**p, "dx": x}.items() if q is not None and q.grad is not None}
    return {"y": be.to_numpy(out[program.last]), **found}, [node.name for node in program.nodes]


def arrays_of(case):
    kind, (shape, window, filters, pads), axis, *_, padded, _ = case
    rng = np.random.default_rng(3)
    size = [n + sum(pads[a]) + (1, 2)[a] * padded - window[a] + 1 for a, n in enumerate(shape[1:3])]
    out = (shape[0], *size, filters)
    width = {None: filters, -1: filters, 3: filters, 1: size[0]}[axis]
    w_shape = (*window, shape[3], filters) if kind == "conv" else (shape[3], filters)
    x_shape = shape if kind == "conv" else (41, shape[3])
    u_shape = out if kind == "conv" else (41, filters)
    return {
        "x": rng.standard_normal(x_shape), "u": rng.standard_normal(u_shape), "w": rng.standard_normal(w_shape),
        "b": rng.standard_normal(filters), "gamma": rng.standard_normal(width), "beta": rng.standard_normal(width),
        "mean": rng.standard_normal(width), "var": rng.uniform(0.5, 2, width),
    }  # fmt: skip


def name_of(case):
    kind, geometry, axis, pool, rate, padded, training = case
    window = "" if pool is None else f"pool{pool['window'][0]}"
    words = kind, GEOMETRIES.index(geometry), f"norm{axis}", window, rate, padded and "padded", training and "training"
    return "-".join(str(word) for word in words if word not in ("", False))


def check(be, case, of_x, bound):
    """Errors in norms: a rounding may move a tie of a pooling, which a maximum would see."""
    values = arrays_of(case)
    expected, _ = run(CPU("numpy_ref", "float64"), values, case, of_x, fused=False)
    found, names = run(be, values, case, of_x, fused=True)
    assert found.keys() == expected.keys()
    for what, e in expected.items():
        scale = np.linalg.norm(e)
        if what == "b" and "gamma" in expected and case[2] is not None:
            scale += np.linalg.norm(expected["w"])  # behind a batch norm the bias's gradient is a sum that cancels
        assert np.linalg.norm(found[what] - e) <= bound * scale, what
    return names


@pytest.mark.parametrize(
    ("case", "of_x"), [(case, of_x) for case in CASES for of_x in (True, False) if case[-1] or not of_x],
    ids=lambda value: name_of(value) if isinstance(value, tuple) else "dx" if value else "",
)  # fmt: skip
def test_a_rule_is_the_ops_that_it_replaces(fast, case, of_x):
    names = check(fast, case, of_x, 2e-4)
    layered = [name for name in names if name not in ("multiply", "total")]
    whole = {("conv", True): ("conv_block", "conv2d"), ("conv", False): ("conv2d_folded",),
             ("dense", True): ("dense", "batch_norm"), ("dense", False): ("dense_folded",)}  # fmt: skip
    assert set(layered) <= set(whole[case[0], case[-1]]), "a chain that is not one node tests no rule"
    assert len(layered) == (2 if case[0] == "dense" and case[-1] and case[2] is not None else 1)


@pytest.mark.parametrize("rows", [1, 21, 700])
@pytest.mark.parametrize("factor", [None, 3.0])
def test_a_loss_and_its_sum_are_one_kernel_on_a_device(rng, rows, factor):
    """Its gradient is multiplied by what arrives, unless that is known to be 1."""
    z, t = rng.standard_normal((rows, 10)), np.eye(10)[rng.integers(0, 10, rows)]

    def run(be, fused):
        logits = Parameter(z, be, "z")
        with Trace(be, [logits]) as trace:
            targets = trace.input(t.shape)
            loss = scaled_sum(softmax_cross_entropy(logits, targets), scale=1 / rows)
            loss = loss if factor is None else multiply(loss, factor)
        rules, kernels = (RULES, be.fused) if fused else ((), frozenset())
        program = Program(trace, [targets], logits, loss, rules=rules, fused=kernels)
        values, vjps = program.forward(be, [be.asarray(t, be.dtype)], 5)
        program.backward(be, vjps, be.xp.ones((), be.dtype) if be.one is None else be.one)
        return [node.name for node in program.nodes], be.to_numpy(values[program.loss]), be.to_numpy(logits.grad)

    names, loss, dz = run(EmulatedGPU(), True)
    _, expected_loss, expected_dz = run(CPU("numpy_ref", "float64"), False)
    assert names == ["summed_cross_entropy"] + ["multiply"] * (factor is not None)
    np.testing.assert_allclose(loss, expected_loss, rtol=2e-6)
    np.testing.assert_allclose(dz, expected_dz, atol=2e-6 / rows)
    if factor is None:  # else it is multiplied by the scale and then by the factor, not by their product
        assert run(EmulatedGPU(), False)[2].tobytes() == dz.tobytes()


@pytest.mark.parametrize("case", [c for c in CASES if c[1] == GEOMETRIES[3] and not c[5]], ids=name_of)
def test_a_device_that_has_some_of_the_kernels(case):
    check(EmulatedGPU(), case, case[-1], 2e-4)


@pytest.mark.parametrize("rate", [0, 0.25])
@pytest.mark.parametrize("of_x", [True, False])
def test_a_dense_layer_and_its_norm_are_one_node_on_a_device(rate, of_x):
    names = check(EmulatedGPU(), ("dense", GEOMETRIES[0], -1, None, rate, False, True), of_x, 2e-5)
    assert [name for name in names if name not in ("multiply", "total")] == ["dense_block"]
