"""to_torch_state_dict and from_torch_state_dict: the same network there computes the same, and takes weights back."""

import sys

import numpy as np
import pytest

import minicnn
from minicnn import layers as nn
from minicnn.errors import ArgumentError, ArgumentTypeError, MissingPackageError, UnsupportedError, WeightsError

torch = pytest.importorskip("torch", reason='needs the package torch: pip install -e ".[torch]"')
pytestmark = pytest.mark.torch
T = torch.nn


class Named(T.Module):
    """Modules by name, called one after the other."""

    def __init__(self, **modules):
        super().__init__()
        self.order = list(modules)
        for name, one in modules.items():
            setattr(self, name, one) if isinstance(one, T.Module) else self.__dict__.setdefault(name, one)

    def forward(self, x):
        for name in self.order:
            x = getattr(self, name)(x)
        return x


class Normalize(T.Module):
    """UnitNormalization."""

    def forward(self, x):
        return T.functional.normalize(x)


def split(first, second):
    """SeparableConv2D."""
    return Named(depthwise=first, pointwise=second)


def stack(shape, *built):
    return minicnn.Sequential([nn.Input(shape), *built], name="net", seed=1)


def shaken(model, rng):
    model.set_weights([w + rng.uniform(0.05, 0.5, w.shape) for w in model.get_weights()])
    return model


IMAGE = (8, 7, 4)  # H, W, C
NETS = {
    "conv": lambda: (stack(IMAGE, nn.Conv2D(6, (3, 2), strides=2, name="a"), nn.ReLU(), nn.Conv2D(5, 2, name="b")),
                     Named(a=T.Conv2d(4, 6, (3, 2), 2), r=T.ReLU(), b=T.Conv2d(6, 5, 2))),
    "grouped, dilated": lambda: (stack(IMAGE, nn.Conv2D(6, 3, groups=2, dilation_rate=2, use_bias=False, name="a")),
                                 Named(a=T.Conv2d(4, 6, 3, groups=2, dilation=2, bias=False))),
    "depthwise": lambda: (stack(IMAGE, nn.DepthwiseConv2D(3, depth_multiplier=2, name="a")),
                          Named(a=T.Conv2d(4, 8, 3, groups=4))),
    "separable": lambda: (stack(IMAGE, nn.SeparableConv2D(5, 3, depth_multiplier=2, name="a")),
                          Named(a=split(T.Conv2d(4, 8, 3, groups=4, bias=False), T.Conv2d(8, 5, 1)))),
    "transposed": lambda: (stack(IMAGE, nn.Conv2DTranspose(3, (3, 2), strides=2, name="a")),
                           Named(a=T.ConvTranspose2d(4, 3, (3, 2), 2))),
    "batch norm": lambda: (stack(IMAGE, nn.BatchNormalization(name="a"), nn.Conv2D(3, 1, name="b"),
                                 nn.BatchNormalization(scale=False, epsilon=1e-5, name="c")),
                           Named(a=T.BatchNorm2d(4, 1e-3), b=T.Conv2d(4, 3, 1), c=T.BatchNorm2d(3))),
    "batch norm without": lambda: (stack(IMAGE, nn.BatchNormalization(scale=False, center=False, name="a")),
                                   Named(a=T.BatchNorm2d(4, 1e-3, affine=False))),
    "flatten": lambda: (stack(IMAGE, nn.Conv2D(3, 3, name="a"), nn.Flatten(), nn.BatchNormalization(name="n"),
                              nn.PReLU(name="p"), nn.Dropout(0.5), nn.Dense(6, activation="relu", name="b"),
                              nn.LayerNormalization(name="l"), nn.Dense(5, name="c")),
                        Named(a=T.Conv2d(4, 3, 3), f=T.Flatten(), n=T.BatchNorm1d(90, 1e-3), p=T.PReLU(90),
                              b=T.Linear(90, 6), r=T.ReLU(), l=T.LayerNorm(6, 1e-3), c=T.Linear(6, 5))),
    "pooled": lambda: (stack(IMAGE, nn.GlobalAveragePooling2D(), nn.Dense(3, name="a")),
                       Named(g=T.AdaptiveAvgPool2d(1), f=T.Flatten(), a=T.Linear(4, 3))),
    "prelu": lambda: (stack(IMAGE, nn.PReLU(shared_axes=[1, 2], name="a"), nn.PReLU(shared_axes=[1, 2, 3], name="b")),
                      Named(a=T.PReLU(4), b=T.PReLU())),
    "layer norm": lambda: (stack(IMAGE, nn.LayerNormalization([1, 2, 3], epsilon=1e-5, name="a")),
                           Named(a=T.LayerNorm([4, 8, 7]))),
    "group norm": lambda: (stack(IMAGE, nn.Conv2D(6, 1, name="a"), nn.GroupNormalization(3, name="g"),
                                 nn.GroupNormalization(-1, epsilon=1e-5, name="i"), nn.Flatten(),
                                 nn.GroupNormalization(1, name="f"), nn.UnitNormalization(), nn.Dense(2, name="b")),
                           Named(a=T.Conv2d(4, 6, 1), g=T.GroupNorm(3, 6, 1e-3), i=T.GroupNorm(6, 6), v=T.Flatten(),
                                 f=T.GroupNorm(1, 336, 1e-3), n=Normalize(), b=T.Linear(336, 2))),
    "group norm without": lambda: (stack(IMAGE, nn.GroupNormalization(2, scale=False, center=False)),
                                   Named(a=T.GroupNorm(2, 4, 1e-3, affine=False))),
    "generator": lambda: (stack((5,), nn.Dense(4 * 3 * 6, use_bias=True, name="a"), nn.BatchNormalization(name="n"),
                                nn.ReLU(), nn.Reshape((4, 3, 6)), nn.Conv2DTranspose(2, 2, name="b")),
                          Named(a=T.Linear(5, 72), n=T.BatchNorm1d(72, 1e-3), r=T.ReLU(),
                                v=T.Unflatten(1, (6, 4, 3)), b=T.ConvTranspose2d(6, 2, 2))),
    "sequences": lambda: (stack((9, 4), nn.Conv1D(6, 3, name="a"), nn.Flatten(), nn.Dense(2, name="b")),
                          Named(a=T.Conv1d(4, 6, 3), f=T.Flatten(), b=T.Linear(42, 2))),
}  # fmt: skip


def there(x):
    return torch.tensor(np.ascontiguousarray(np.moveaxis(x, -1, 1) if x.ndim > 2 else x))


def here(y):
    y = y.detach().numpy()
    return np.moveaxis(y, 1, -1) if y.ndim > 2 else y


def agree(model, net, rng):
    shape = model.sample_in
    x = rng.normal(size=(3, *shape)).astype(np.float32)
    with torch.no_grad():
        found = here(net.eval()(there(x)))
    want = model.predict(x, verbose=0)
    np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-5 * max(1, np.abs(want).max()))


@pytest.mark.parametrize("build", NETS.values(), ids=NETS)
def test_both_ways(build, rng):
    model, net = build()
    net.load_state_dict(shaken(model, rng).to_torch_state_dict(), strict=True)
    agree(model, net, rng)
    with torch.no_grad():
        for name, one in net.state_dict().items():
            fixed = "c.weight" in name and one.shape == (3,)  # of a layer without scale
            if one.is_floating_point() and not fixed:
                one.copy_(torch.tensor(rng.uniform(0.1, 1, one.shape)))
    model.from_torch_state_dict(net.state_dict())
    agree(model, net, rng)


def test_a_graph_with_a_model_in_it(rng):
    class Net(T.Module):
        def __init__(self):
            super().__init__()
            self.inner = T.Sequential()
            self.inner.add_module("conv", T.Conv2d(4, 4, 3, padding=1))
            self.side, self.top, self.z = T.Conv2d(4, 2, 1), T.Linear(56 * 6 + 3, 2), T.Linear(5, 3)

        def forward(self, x, z):
            y = self.inner(self.inner(x)) + x
            return self.top(torch.cat([y.flatten(1), self.z(z), self.side(y).flatten(1)], 1))

    x, z = nn.Input(IMAGE), nn.Input((5,))
    inner = minicnn.Sequential([nn.Input(IMAGE), nn.Conv2D(4, 3, padding="same", name="conv")], name="inner")
    y = nn.Add()([inner(inner(x)), x])
    flat = nn.Concatenate()([nn.Flatten()(y), nn.Dense(3, name="z")(z), nn.Flatten()(nn.Conv2D(2, 1, name="side")(y))])
    model, net = shaken(minicnn.Model([x, z], nn.Dense(2, name="top")(flat)), rng), Net()
    net.load_state_dict(model.to_torch_state_dict())
    xs = [rng.normal(size=(3, *one)).astype(np.float32) for one in (IMAGE, (5,))]
    with torch.no_grad():
        found = net(there(xs[0]), torch.tensor(xs[1])).numpy()
    np.testing.assert_allclose(found, model.predict(xs, verbose=0), rtol=1e-5, atol=1e-5)
    before = model.get_weights()
    model.from_torch_state_dict(net.state_dict())
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def chain():
    return stack(IMAGE, nn.Conv2D(6, 3, name="a"), nn.ReLU(), nn.SeparableConv2D(5, 1, name="s"), nn.Flatten(),
                 nn.Dense(2, name="b"))  # fmt: skip


def test_names_of_modules(rng):
    net = T.Sequential(T.Conv2d(4, 6, 3), T.ReLU(), T.Conv2d(6, 6, 1, groups=6, bias=False), T.Conv2d(6, 5, 1),
                       T.Flatten(), T.Linear(150, 2))  # fmt: skip
    model = shaken(chain(), rng)
    for names in (["0", ("2", "3"), "5"], {"a": "0", "s": ["2", "3"], "b": "5"}):
        net.load_state_dict(model.to_torch_state_dict(names))
        agree(model, net, rng)
    plain = {name: value.numpy() for name, value in net.state_dict().items()}  # also without PyTorch
    other = chain()
    other.from_torch_state_dict(plain, names=["0", ("2", "3"), "5"])
    agree(other, net, rng)
    for names, error, message in [
        (["0", "1"], ArgumentError, r"expected a dict, or a list of 3 modules: of a, s, b, received 2 of them"),
        ("0", ArgumentTypeError, "expected a dict, or a list of 3 modules"),
        ({"x": "0"}, ArgumentError, "expected keys among a, s, b, received 'x'"),
        ({"a": 0}, ArgumentTypeError, "names of a: expected the name of a module, received 0"),
        ({"s": ("1", "2", "3")}, ArgumentTypeError, "names of s: expected the name of a module, or of two"),
        ({"a": "b"}, ArgumentError, "expected a name for each module, received b.bias, b.weight twice"),
    ]:
        with pytest.raises(error, match=message):
            model.to_torch_state_dict(names)
        with pytest.raises(error, match=message):
            model.from_torch_state_dict(plain, names)


def test_one_error_lists_all_that_is_wrong(rng):
    model = stack(IMAGE, nn.Conv2D(6, 3, name="a"), nn.BatchNormalization(scale=False, name="n"), nn.Flatten(),
                  nn.Dense(2, name="b"))  # fmt: skip
    state, before = model.to_torch_state_dict(), model.get_weights()
    assert state["n.num_batches_tracked"].dtype == torch.int64
    del state["a.bias"]
    state["extra.weight"] = torch.ones(2)
    state["b.weight"] = state["b.weight"].T
    state["n.weight"] = torch.ones(6) * 2
    del state["n.num_batches_tracked"]
    message = (r"from_torch_state_dict: expected the weights of net, received others: missing a.bias \(6,\); "
               r"unexpected extra.weight \(2,\); n.weight all 1, which the layer has no weight for; "
               r"b.weight of shape \(2, 180\), received \(180, 2\)$")  # fmt: skip
    with pytest.raises(WeightsError, match=message):
        model.from_torch_state_dict(state)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    net = T.Sequential(T.Conv2d(4, 6, 3), T.BatchNorm2d(6), T.Flatten(), T.Linear(180, 2))
    with pytest.raises(WeightsError, match=r"; where they are a, n, b in this order, say names=\['0', '1', '3'\]$"):
        model.from_torch_state_dict(net.state_dict())
    with pytest.raises(ArgumentTypeError, match=r"state_dict: expected a state_dict: a dict .*, received 3"):
        model.from_torch_state_dict(3)
    with pytest.raises(ArgumentTypeError, match=r"from_torch_state_dict: a.bias: expected an array of numbers"):
        model.from_torch_state_dict({"a.bias": "x"})


def test_what_pytorch_has_no_module_for_is_named():
    for layer, message in [
        (nn.PReLU(name="p"), r"p: expected slopes of channels, or one for all, received weights of shape \(8, 7, 4\)"),
        (nn.LayerNormalization([1, 2], name="p"), "p: expected axes of all of a sample, or its channels"),
        (nn.GroupNormalization(2, axis=1, name="p"), r"p: expected the axis of the channels, received .* shape \(8,\)"),
    ]:
        with pytest.raises(UnsupportedError, match=message):
            stack(IMAGE, layer).to_torch_state_dict()
    mixed = stack(IMAGE, nn.Flatten(), nn.Lambda(lambda x: x * 2, name="own"), nn.Dense(2))
    with pytest.raises(UnsupportedError, match="own: expected a layer whose features PyTorch has in the same order"):
        mixed.to_torch_state_dict()
    grouped = stack(IMAGE, nn.Flatten(), nn.GroupNormalization(2, name="p"))
    with pytest.raises(UnsupportedError, match="p: expected one group of flattened images, or no two"):
        grouped.to_torch_state_dict()
    first = stack((4, 8, 7), nn.Conv2D(3, 3, data_format="channels_first"), nn.Flatten(name="f"), nn.Dense(2))
    with pytest.raises(UnsupportedError, match=r'f: expected Flatten\(data_format="channels_first"\)'):
        first.to_torch_state_dict()
    with pytest.raises(WeightsError, match="expected a built model, received one without weights"):
        minicnn.Sequential([nn.Dense(2)]).to_torch_state_dict()


def test_without_pytorch(monkeypatch):
    state = chain().to_torch_state_dict()
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingPackageError, match="to_torch_state_dict: expected the package torch to be installed"):
        chain().to_torch_state_dict()
    chain().from_torch_state_dict(state)
