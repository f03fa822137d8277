"""Gradients of whole networks, loss included: against differences in float64, and numba_cpu against the definition."""

import numpy as np
import pytest

from minicnn import Tensor, check_grad
from minicnn.backend.cpu import CPU
from minicnn.layers import MaxPooling2D
from minicnn.ops.activation import relu

from .networks import network_a

CLASSES = 4
KINK_FREE_SEED = 570


def as_function(model, t, w=None):
    """f(x, *weights) -> the loss that train_step differentiates, and the weights' values.

    Tensors take the weights' places; the random counters stand still, so dropout decides the same each time.
    """
    places = [
        (layer, name) for layer in model.layers for p in layer.trainable_weights
        for name, value in vars(layer).items() if value is p
    ]  # fmt: skip
    values = [p.numpy().copy() for p in model.trainable_weights]
    assert len(places) == len(values)

    def network(x, *weights):
        for (layer, name), weight in zip(places, weights, strict=True):
            setattr(layer, name, weight)
        y = model.forward(x, training=True, logits=model.fused)
        return model.loss.reduce(model.loss.values(t, y, logits=model.fused), w)

    return network, values


def data(rng, n, size=8, classes=CLASSES):
    return rng.standard_normal((n, size, size, 1)), np.eye(classes)[rng.integers(0, classes, n)]


def perturbed(rng, values):
    """Away from the symmetric start, where gamma is 1 and biases are 0."""
    return [v + 0.1 * rng.standard_normal(v.shape) for v in values]


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "mse"])
def test_smooth_twin_of_network_a(rng, oracle, loss):
    model = network_a((3, 4), 8, CLASSES, size=8, smooth=True, seed=1, device=oracle)
    model.compile("adam", loss)
    assert model.fused == (loss != "mse")
    x, t = data(rng, 5)
    f, values = as_function(model, t, np.array([1, 2, 0.5, 0, 1.0]))
    check_grad(f, [x, *perturbed(rng, values)], rng=rng, rtol=1e-6)


class Kinks:
    """Watches a model: how far every ReLU's input is from 0, and the two greatest cells of a window from each other.

    The first forward pass is the point of the check, the others are its moves. No kink was crossed if each |z| at the
    point is greater than any z's move, and each gap greater than twice any cell's. A gap of exactly 0 is no kink here:
    its cells are outputs of a ReLU at rest, which stay equal while no z crosses 0.
    """

    def __init__(self, model):
        self.base, self.moves = {}, {}
        for layer in model.layers:
            if getattr(layer, "activation", None) is relu:
                self.watch(layer, lambda layer, x: layer.preactivation(x, training=True).numpy())
            elif isinstance(layer, MaxPooling2D):
                self.watch(layer, lambda layer, x: x.numpy().copy())

    def watch(self, layer, look):
        call = layer.call

        def watched(x, *, training):
            seen = look(layer, x)
            base = self.base.setdefault(layer, seen)
            self.moves[layer] = max(self.moves.get(layer, 0.0), float(np.abs(seen - base).max()))
            return call(x, training=training)

        layer.call = watched

    def margins(self):
        """(margin, greatest move) of every layer that has kinks."""
        for layer, z in self.base.items():
            if isinstance(layer, MaxPooling2D):
                n, h, w, c = z.shape
                windows = z[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, c)
                cells = np.sort(windows.transpose(0, 1, 3, 5, 2, 4).reshape(-1, 4))
                gaps = cells[:, -1] - cells[:, -2]
                yield float(gaps[gaps > 0].min()), 2 * self.moves[layer]
            else:
                yield float(np.abs(z).min()), self.moves[layer]


def test_network_a_away_from_its_kinks(oracle):
    """Narrow, on a seed for which no ReLU and no pooling window is near a tie; that it is so is asserted."""
    rng = np.random.default_rng(KINK_FREE_SEED)
    model = network_a((2, 3), 6, CLASSES, size=8, seed=KINK_FREE_SEED, device=oracle)
    model.compile("adam", "categorical_crossentropy")
    x, t = data(rng, 3)
    f, values = as_function(model, t)
    kinks = Kinks(model)
    check_grad(f, [x, *perturbed(rng, values)], rng=rng, rtol=1e-6, step=2e-5)
    margins = list(kinks.margins())
    assert len(margins) == 5 + 2
    for margin, move in margins:
        assert 0 < move < margin
    assert all((z < 0).any() and (z > 0).any() for z in kinks.base.values())


def gradients(model, x, t):
    """Every weight's gradient, and the loss, as train_step computes them."""
    be = model.backend
    y = model.forward(Tensor(x, be), training=True, logits=model.fused)
    loss = model.loss.reduce(model.loss.values(be.asarray(t), y, logits=model.fused))
    loss.backward()
    return float(loss.numpy()), {p.path: p.grad.astype(np.float64) for p in model.trainable_weights}


def test_numba_cpu_against_the_definition(rng):
    """Network A in full width: every gradient tensor in float32 within 1e-4 (relative L2) of numpy_ref in float64."""
    models = [network_a(seed=3, device=be) for be in (CPU("numba_cpu"), CPU("numpy_ref", "float64"))]
    assert models[0].backend.table() == dict.fromkeys(models[0].backend.table(), "numba_cpu")
    for model in models:
        model.compile("adam", "categorical_crossentropy")
        model.set_weights(models[0].get_weights())
    x, t = data(rng, 9, size=28, classes=10)
    x = x.astype(np.float32)
    (fast_loss, fast), (loss, exact) = (gradients(model, x, t) for model in models)
    assert fast_loss == pytest.approx(loss, rel=1e-5)
    assert len(exact) == 22
    assert fast.keys() == exact.keys()
    for path, g in exact.items():
        assert np.linalg.norm(fast[path] - g) <= 1e-4 * np.linalg.norm(g), path
