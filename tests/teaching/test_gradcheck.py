"""Right gradients pass; ten planted faults, each of a kind that others have shipped, are found and named."""

import sys

import numpy as np
import pytest

import minicnn
from minicnn import layers
from minicnn.backend.cpu import CPU
from minicnn.ops import activation, conv, dense, dropout, norm, pool
from minicnn.ops.arithmetic import multiply
from minicnn.teaching import gradcheck


def model_of(*middle, kernels="numpy_ref", loss="categorical_crossentropy"):
    parts = [layers.Input((6, 6, 2)), *middle, layers.Flatten(), layers.Dense(3, activation="softmax", name="last")]
    dtype = "float64" if kernels == "numpy_ref" else "float32"
    model = minicnn.Sequential(parts, seed=0, device=CPU(kernels, dtype))
    model.compile("adam", loss)
    return model


def network(**options):
    return model_of(
        layers.Conv2D(4, 3, padding="same", activation="relu", name="conv"), layers.BatchNormalization(name="norm"),
        layers.MaxPooling2D(name="pool"), layers.Dropout(0.25, name="drop"),
        layers.Conv2D(3, 2, activation="tanh", name="second"), **options)  # fmt: skip


def planted(monkeypatch, op, change):
    """The op with vjp's gradients changed: change(gradients, dy) -> gradients.  Found again by whoever has its code."""
    code = op.__wrapped__

    def wrong(be, *args, **static):
        y, vjp = code(be, *args, **static)
        return y, lambda dy, needs: change(list(vjp(dy, needs)), dy)

    wrong.__name__ = code.__name__
    faulty = minicnn.op(wrong)
    for name, module in list(sys.modules.items()):
        if name.startswith("minicnn.layers") or name == "minicnn.ops.conv":
            for attribute, value in list(vars(module).items()):
                if value is op:
                    monkeypatch.setattr(module, attribute, faulty)
                for own, held in list(vars(value).items()) if isinstance(value, type) else []:
                    if isinstance(held, staticmethod) and held.__func__ is op:
                        monkeypatch.setattr(value, own, staticmethod(faulty))


def replaced(k, function):
    def change(gradients, dy):
        gradients[k] = function(gradients[k]) if gradients[k] is not None else None
        return gradients

    return change


FAULTS = {  # name: (op, change, the culprit's beginning)
    "a missing gradient": (dense.dense, replaced(2, lambda g: None), "last: dense: gradient of bias"),
    "batch norm with dx = 0": (norm.batch_norm, replaced(0, lambda g: g * 0), "norm: batch_norm: gradient of conv"),
    "a scaled weight gradient": (conv.conv2d, replaced(1, lambda g: g * 1.01), "conv: conv2d: gradient of kernel"),
    "a bias gradient that is a mean": (conv.conv2d, replaced(2, lambda g: g / 3), "conv: conv2d: gradient of bias"),
    "a filter turned round": (conv.conv2d, replaced(1, lambda g: g[::-1, ::-1].copy()),
                              "conv: conv2d: gradient of kernel"),
    "dx moved by a pixel": (conv.conv2d, replaced(0, lambda g: np.roll(g, 1, axis=2)), "conv: conv2d: gradient of x"),
    "max pool's dy to all": (pool.max_pool, lambda g, dy: [np.repeat(np.repeat(dy, 2, 1), 2, 2)],
                             "pool: max_pool: gradient of norm"),
    "dropout's mask forgotten": (dropout.dropout, lambda g, dy: [dy], "drop: dropout: gradient of pool"),
    "gamma's sign": (norm.batch_norm, replaced(1, lambda g: -g), "norm: batch_norm: gradient of gamma"),
    "tanh without its square": (activation.tanh, lambda g, dy: [dy], "second: tanh: gradient of conv2d"),
    "a gradient in another shape": (dense.dense, replaced(1, lambda g: g.T.copy()), "last: dense: gradient of kernel"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_named(monkeypatch, fault):
    op, change, culprit = FAULTS[fault]
    if op is activation.tanh:
        planted(monkeypatch, op, change)
        monkeypatch.setitem(activation.BY_NAME, "tanh", minicnn.op(_flat_tanh))
    else:
        planted(monkeypatch, op, change)
    found = gradcheck(network())
    assert not found.ok
    assert any(text.startswith(culprit) for text in found.culprits), found.culprits
    allowed = culprit.split(": ")[1]
    assert all(text.split(": ")[1] == allowed for text in found.culprits), found.culprits
    assert "WRONG" in str(found)


def _flat_tanh(be, x):
    return be.xp.tanh(x), lambda dy, needs: (dy,)


_flat_tanh.__name__ = "tanh"


def test_without_a_fault_all_is_right():
    found = gradcheck(network())
    assert found.ok, found.culprits
    assert {row.op for row in found} >= {"conv2d", "batch_norm", "max_pool", "dropout", "tanh", "dense", "whole step"}
    assert all(row.float64 < 1e-5 and row.float32 < 5e-3 for row in found if row.layer != "model")
    assert max(map(len, str(found).splitlines())) <= 110


def test_fast_kernels_and_constant_images():
    """Black borders are full of ties and zeros: they are no faults."""
    model, x = network(kernels="numba_cpu"), np.zeros((3, 6, 6, 2))
    x[:, 2:4, 2:4] = 1
    before = model.get_weights()
    found = gradcheck(model, x, np.eye(3))
    assert found.ok, found.culprits
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert model.weights[0].data.dtype == np.float32
    assert all(layer.be is model.backend for layer in model.layers)
    model.fit(x, np.eye(3), verbose=0)


def test_dead_windows_under_a_bias_of_zero_are_no_fault():
    """The second ReLU stands on its kink wherever the first gives nothing."""
    first = layers.Conv2D(2, 3, activation="relu", name="conv")
    model = model_of(first, layers.Conv2D(3, 2, activation="relu", name="second"))
    first.set_weights([first.get_weights()[0], np.array([-9.0, -9.0])])
    found = gradcheck(model)
    assert found.ok, found.culprits


def test_a_fault_of_a_fast_kernel_is_named(monkeypatch):
    model = network(kernels="numba_cpu")
    right = model.backend.conv2d_weight_grad
    monkeypatch.setattr(model.backend, "conv2d_weight_grad", lambda *a, **k: right(*a, **k) * np.float32(1.01))
    found = gradcheck(model)
    assert any("second: conv2d: gradient of kernel: float32 on numba_cpu" in text for text in found.culprits)


class Own(layers.Layer):
    """y = x k, with a backward of its own."""

    wrong = False

    def build(self, input_shape):
        self.k = self.add_weight("k", input_shape, "ones")
        return input_shape

    def call(self, x, *, training):
        return (_half if self.wrong else multiply)(x, self.k)


@minicnn.op
def _half(be, x, k):
    return x * k, lambda dy, needs: (dy * k, dy * x / 2)


def test_a_layer_of_ones_own_is_checked_too():
    assert gradcheck(model_of(Own(name="own"))).ok
    wrong = Own(name="own")
    wrong.wrong = True
    found = gradcheck(model_of(wrong))
    assert [text.split(": wrong")[0] for text in found.culprits] == ["own: Own: gradient of k"]
    row = next(row for row in found if not row.ok)
    assert row.worst is not None
    assert "the difference quotient is" in row.fault


def test_a_model_that_is_not_compiled():
    model = network()
    bare = minicnn.Sequential([layers.Input((5,)), layers.Dense(2)], seed=0)
    found = gradcheck(bare)
    assert found.ok
    assert bare.loss is None
    assert "mean squared error stands in" in str(found)
    assert model.loss is not None
