"""Weights as a state_dict of PyTorch, and back: names, layouts and the order of what has been flattened.

| layer | its keys, after the module's name and a dot | layout there |
|---|---|---|
| Conv2D, Conv1D, with groups too | weight, bias | (O, I, KH, KW) of (KH, KW, I, O); (O, I, K) |
| DepthwiseConv2D, DepthwiseConv1D | weight, bias | (C M, 1, KH, KW) of (KH, KW, C, M): groups=C |
| SeparableConv2D, SeparableConv1D | depthwise.weight, pointwise.weight, pointwise.bias | as these two |
| Conv2DTranspose, Conv1DTranspose | weight, bias | (I, O, KH, KW) of (KH, KW, O, I) |
| Dense | weight, bias | (O, I) of (I, O) |
| BatchNormalization | weight, bias, running_mean, running_var, num_batches_tracked | as here; the last is 0, unread |
| LayerNormalization | weight, bias | as here; of whole images (C, H, W) of (H, W, C) |
| GroupNormalization | weight, bias | (C,) of GroupNorm(groups, C), instance norm with as many groups as channels |
| PReLU | weight | (C,), or (1,) |

The network there has its images as (N, C, H, W), so its Flatten puts channels first: the features that come from a
Flatten here, up to the next Dense, are reordered, and so are those of a Dense that a Reshape makes into images. A
module is named as its layer, or as `names` says. What normalises there has to have eps=layer.epsilon, 0.001 unless
stated.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from .. import arguments, layers
from ..errors import ArgumentError, ArgumentTypeError, MissingPackageError, UnsupportedError, WeightsError, require
from ..layers.dropout import Noise
from ..layers.merge import Merge
from ..layers.operation import Operation
from .serialize import is_model

_CONV = (layers.Conv2D, layers.Conv1D, layers.Conv2DTranspose, layers.Conv1DTranspose)
_DEPTHWISE = (layers.DepthwiseConv2D, layers.DepthwiseConv1D)
_SEPARABLE = (layers.SeparableConv2D, layers.SeparableConv1D)
_ALIKE = (layers.Activation, layers.ReLU, layers.LeakyReLU, layers.ELU, layers.PReLU, layers.Softmax, Noise,
          layers.BatchNormalization, layers.LayerNormalization, layers.GroupNormalization, layers.UnitNormalization,
          layers.Rescaling, layers.Flatten, layers.Identity, layers.ActivityRegularization, Merge)  # fmt: skip
# Of Operations, those that treat every feature alike.
_EACH = ("absolute", "add", "clip", "divide", "exp", "log", "maximum", "minimum", "multiply", "negative", "power",
         "relu", "sigmoid", "sqrt", "subtract", "tanh")  # fmt: skip
COUNT = "num_batches_tracked"
Order = np.ndarray | None  # of features: that of the torch network's k-th one is ours with the number order[k]


class Entry(NamedTuple):
    """key: in the state_dict;  param: ours, or None where the layer lacks it;  value: its number then;  shape: ours

    layout: from our array to theirs, which moves numbers and computes nothing
    """

    key: str
    param: Any
    shape: tuple[int, ...]
    layout: Callable[[np.ndarray], np.ndarray]
    value: float = 0.0

    @property
    def theirs(self) -> tuple[int, ...]:
        """The shape there."""
        return self.layout(np.empty(self.shape, np.bool_)).shape


def to_state_dict(model: Any, names: Any = None) -> dict:
    """See Savable.to_torch_state_dict."""
    entries = _entries("to_torch_state_dict", model, names)
    try:
        import torch
    except ImportError:
        raise MissingPackageError("to_torch_state_dict", "torch") from None
    found = {}
    for one in entries:
        array = np.full(one.shape, one.value, model.backend.dtype) if one.param is None else one.param.numpy()
        found[one.key] = torch.from_numpy(np.array(one.layout(array), order="C"))
        if one.key.endswith(".running_var"):
            found[one.key.removesuffix("running_var") + COUNT] = torch.zeros((), dtype=torch.int64)
    return found


def from_state_dict(model: Any, state_dict: Any, names: Any = None) -> None:
    """See Savable.from_torch_state_dict."""
    where = "from_torch_state_dict"
    arguments.instance(f"{where}: state_dict", state_dict, Mapping, "a state_dict: a dict from names to arrays")
    entries = {one.key: one for one in _entries(where, model, names)}
    counts = {key.removesuffix("running_var") + COUNT for key in entries if key.endswith(".running_var")}
    given = {key: arguments.array(f"{where}: {key}", value) for key, value in state_dict.items()}
    faults = [f"missing {key} {one.theirs}" for key, one in entries.items() if key not in given]
    faults += [f"unexpected {key} {value.shape}" for key, value in given.items() if key not in {*entries, *counts}]
    for key, one in entries.items():
        if key in given and given[key].shape != one.theirs:
            faults.append(f"{key} of shape {one.theirs}, received {given[key].shape}")
        elif key in given and one.param is None and not (given[key] == one.value).all():
            faults.append(f"{key} all {one.value:g}, which the layer has no weight for")
    if faults:
        raise WeightsError(f"{where}: expected the weights of {model.name}, received others: " + "; ".join(faults)
                           + _advice(model, given))  # fmt: skip
    found = {id(one.param): _back(one, given[one.key]) for one in entries.values() if one.param is not None}
    model.set_weights([found[id(weight)] for weight in model.weights])


def _back(one: Entry, value: np.ndarray) -> np.ndarray:
    """Their array in our layout: each number to the place from which the layout takes it."""
    places = one.layout(np.arange(math.prod(one.shape)).reshape(one.shape))
    ours = np.empty(one.shape, value.dtype)
    ours.reshape(-1)[places.reshape(-1)] = value.reshape(-1)
    return ours


def _advice(model: Any, given: Mapping) -> str:
    """The argument that would name the modules, where there are as many as layers with weights."""
    modules = list(dict.fromkeys(key.rpartition(".")[0] for key in given))
    mine = _weighted(model)
    if len(modules) != len(mine) or {*modules} == {name for name, _ in mine}:
        return ""
    return f"; where they are {', '.join(name for name, _ in mine)} in this order, say names={modules}"


def _weighted(model: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """(name, layer) of every layer with weights, once; those of a model in it have its name before theirs."""
    found: dict = {}
    for layer in model.layers:
        inner = _weighted(layer, f"{prefix}{layer.name}.") if is_model(layer) else []
        for name, one in inner or [(prefix + layer.name, layer)] * bool(layer.weights):
            found.setdefault(id(one), (name, one))
    return list(found.values())


def _modules(where: str, model: Any, names: Any) -> dict[int, list[str]]:
    """id of each layer with weights -> the name of its module, or of its two."""
    mine = _weighted(model)
    own = {name: name for name, _ in mine}
    if isinstance(names, Mapping):
        for name in names:
            require(name in own, f"{where}: names", f"keys among {', '.join(own)}", arguments.shown(name),
                    error=ArgumentError)  # fmt: skip
        own |= names
    elif names is not None:
        expected = f"a dict, or a list of {len(own)} modules: of {', '.join(own)}"
        listed = isinstance(names, (list, tuple))
        require(listed, f"{where}: names", expected, arguments.shown(names), error=ArgumentTypeError)
        require(len(names) == len(own), f"{where}: names", expected, f"{len(names)} of them", error=ArgumentError)
        own = dict(zip(own, names, strict=True))
    found = {}
    for name, layer in mine:
        two = isinstance(own[name], (list, tuple)) and isinstance(layer, _SEPARABLE)
        given = list(own[name]) if two else [own[name]]
        texts = all(isinstance(one, str) and one for one in given) and len(given) == (2 if two else 1)
        expected = "the name of a module" + (", or of two" if isinstance(layer, _SEPARABLE) else "")
        require(texts, f"{where}: names of {name}", expected, arguments.shown(own[name]), error=ArgumentTypeError)
        found[id(layer)] = given if two or not isinstance(layer, _SEPARABLE) else [
            f"{given[0]}.depthwise", f"{given[0]}.pointwise"]  # fmt: skip
    return found


def _entries(where: str, model: Any, names: Any) -> list[Entry]:
    require(model.built, f"{where}: {model.name}", "a built model", "one without weights", "give it an Input",
            error=WeightsError)  # fmt: skip
    walk = _Walk(where, _modules(where, model, names))
    walk.through(model, [None] * len(model.samples_in))
    keys = [one.key for one in walk.found]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    require(not twice, f"{where}: names", "a name for each module", f"{', '.join(twice)} twice", error=ArgumentError)
    return walk.found


def channels_first(shape: tuple[int, ...]) -> np.ndarray:
    """The order of the features of flattened images (H, W, C), or sequences (L, C), where the channels come first."""
    return np.moveaxis(np.arange(math.prod(shape)).reshape(shape), -1, 0).reshape(-1)


class _Walk:
    """Through the layers, with the order of the features of every value that is flat."""

    def __init__(self, where: str, modules: dict[int, list[str]]):
        self.where, self.modules = where, modules
        self.found: list[Entry] = []
        self.seen: dict[int, Any] = {}  # id of a layer -> the order in which its weights were written

    def through(self, model: Any, given: list[Order]) -> list[Order]:
        """The orders of the model's outputs."""
        orders, wanted = list(given), self._wanted(model, len(given))
        for layer, inputs, *_ in model.steps:
            read = [orders[i] for i in inputs]
            if is_model(layer):
                orders += self.through(layer, read)
            else:
                orders.append(self._after(layer, read, wanted.get(len(orders))))
        return [orders[end] for end in model.ends]

    def _wanted(self, model: Any, count: int) -> dict[int, np.ndarray]:
        """Values that a Reshape makes into images -> their order."""
        ends = []
        for layer, *_ in model.steps:
            ends.append(count)
            count += len(layer.ends) if is_model(layer) else 1
        wanted: dict[int, np.ndarray] = {}
        for (layer, inputs, *_), end in zip(reversed(model.steps), reversed(ends), strict=True):
            before, after = layer.sample_in, layer.sample_out
            if isinstance(layer, layers.Reshape) and len(after) > 1 and _flat(before):
                wanted[inputs[0]] = channels_first(after)
            elif isinstance(layer, _ALIKE) and end in wanted and not isinstance(layer, layers.Concatenate):
                wanted |= dict.fromkeys(inputs, wanted[end])
        return wanted

    def _after(self, layer: Any, read: list[Order], wanted: Order) -> Order:
        """Enter the layer's weights; the order of its output."""
        order, before, shape = read[0] if read else None, layer.sample_in, layer.sample_out
        if isinstance(layer, (layers.Flatten, layers.Reshape)) and _flat(shape) and not _flat(before):
            self._check_format(layer)
            if getattr(layer, "data_format", "channels_last") == "channels_first":
                before = (*before[1:], before[0])
            return channels_first(before)
        if isinstance(layer, layers.Dense):
            self._enter(layer, order, wanted)
            return wanted
        if isinstance(layer, layers.Concatenate) and any(one is not None for one in read):
            sizes = [math.prod(one) for one in before]
            starts = np.cumsum([0, *sizes[:-1]])
            return np.concatenate([start + (np.arange(n) if one is None else one)
                                   for start, n, one in zip(starts, sizes, read, strict=True)])  # fmt: skip
        same = all(_same(one, order) for one in read)
        if isinstance(layer, layers.Dot) and same:
            return None
        known = _flat(shape) and (isinstance(layer, _ALIKE) or _is_each(layer))
        if isinstance(layer, layers.Reshape) and order is not None and not _flat(shape):
            known = same = _same(order, channels_first(shape))
            order = None
        elif not known and all(one is None for one in read):
            known, order = True, None
        if not (known and same):
            raise UnsupportedError(
                f"{self.where}: {layer.name}: expected a layer whose features PyTorch has in the same order after "
                f"Flatten, received {type(layer).__name__} of flattened images; put it before Flatten, or after Dense"
            )
        self._enter(layer, order, None)
        return order

    def _check_format(self, layer: Any) -> None:
        first = getattr(layer, "data_format", "channels_last") == "channels_last" and self.first
        require(not first, f"{self.where}: {layer.name}", 'Flatten(data_format="channels_first") after layers of it',
                '"channels_last"', error=UnsupportedError)  # fmt: skip

    first = False  # whether a layer so far had channels first

    def _enter(self, layer: Any, order: Order, after: Order) -> None:
        self.first |= not isinstance(layer, layers.Flatten) and getattr(layer, "data_format", "") == "channels_first"
        if not layer.weights:
            return
        if id(layer) in self.seen:
            same = all(map(_same, self.seen[id(layer)], (order, after)))
            require(same, f"{self.where}: {layer.name}", "one order of features wherever it is called", "two",
                    error=UnsupportedError)  # fmt: skip
            return
        self.seen[id(layer)] = order, after
        modules = self.modules[id(layer)]
        for number, name, param, shape, layout, value in self._parts(layer, order, after):
            self.found.append(Entry(f"{modules[number]}.{name}", param, shape, layout, value))

    def _parts(self, layer: Any, order: Order, after: Order):
        """(which of its modules, the name there, ours, its shape, the layout, the number of one that it lacks)."""

        def part(name, param, layout, number=0):
            return number, name, param, param.shape, layout, 0.0

        def biases(number=0):
            return [] if layer.bias is None else [part("bias", layer.bias, lambda b: _take(b, after), number)]

        if isinstance(layer, _CONV):
            return [part("weight", layer.kernel, _outputs_first), *biases()]
        if isinstance(layer, _DEPTHWISE):
            return [part("weight", layer.kernel, _one_by_one), *biases()]
        if isinstance(layer, _SEPARABLE):
            return [part("weight", layer.depthwise_kernel, _one_by_one),
                    part("weight", layer.pointwise_kernel, _outputs_first, 1), *biases(1)]  # fmt: skip
        if isinstance(layer, layers.Dense):
            return [part("weight", layer.kernel, lambda w: _take(_take(w, order).T, after)), *biases()]
        if isinstance(layer, layers.PReLU):
            shape = layer.alpha.shape
            self._allowed(layer, len(shape) == 1 or math.prod(shape) == shape[-1], "slopes of channels, or one for all")
            return [part("weight", layer.alpha, lambda a: a.reshape(-1) if order is None else _take(a, order))]
        if isinstance(layer, (layers.BatchNormalization, layers.LayerNormalization, layers.GroupNormalization)):
            return self._normalization(layer, order)
        raise UnsupportedError(
            f"{self.where}: {layer.name}: expected layers that PyTorch has, received {type(layer).__name__}; "
            "hand over its get_weights() yourself"
        )

    def _normalization(self, layer: Any, order: Order):
        batch = isinstance(layer, layers.BatchNormalization)
        weights = {p.name: p for p in layer.weights}
        shape = layer.weights[0].shape
        whole = len(shape) > 1 and len(shape) == len(layer.sample_in)
        self._allowed(layer, len(shape) == 1 or whole, "axes of all of a sample, or its channels")
        if isinstance(layer, layers.GroupNormalization):
            rank = len(layer.sample_in or ())
            channels = 1 if self.first and rank > 1 else rank
            self._allowed(layer, layer.at == channels, "the axis of the channels")
            whole_groups = order is None or layer.count in (1, *shape)
            self._allowed(layer, whole_groups, "one group of flattened images, or no two")

        def layout(a):
            return np.moveaxis(a, -1, 0) if whole else _take(a, order)

        found = []
        if "gamma" in weights or "beta" in weights:
            for name, ours, value in (("weight", "gamma", 1.0), ("bias", "beta", 0.0)):
                found.append((0, name, weights.get(ours), shape, layout, value))
        if batch:
            for name, ours in (("running_mean", "moving_mean"), ("running_var", "moving_variance")):
                found.append((0, name, weights[ours], shape, layout, 0.0))
        return found

    def _allowed(self, layer: Any, ok: bool, expected: str) -> None:
        require(ok, f"{self.where}: {layer.name}", expected, f"weights of shape {layer.weights[0].shape}",
                "PyTorch has no such module", error=UnsupportedError)  # fmt: skip


def _is_each(layer: Any) -> bool:
    """Whether it computes each feature from that feature alone, and numbers."""
    if not isinstance(layer, Operation) or layer.op not in _EACH:
        return False
    return all(one is None or isinstance(one, (int, float)) for one in layer.arguments)


def _flat(shape: Any) -> bool:
    return len(shape) == 1 and not isinstance(shape[0], tuple)


def _same(a: Order, b: Order) -> bool:
    return a is b or (a is not None and b is not None and np.array_equal(a, b))


def _take(a: np.ndarray, order: Order) -> np.ndarray:
    return a if order is None else a[order]


def _outputs_first(kernel: np.ndarray) -> np.ndarray:
    """(..., I, O) -> (O, I, ...), which for a transposed convolution is (I, O, ...)."""
    return np.moveaxis(kernel, (-1, -2), (0, 1))


def _one_by_one(kernel: np.ndarray) -> np.ndarray:
    """(..., C, M) -> (C M, 1, ...)."""
    moved = np.moveaxis(kernel, (-2, -1), (0, 1))
    return moved.reshape(-1, 1, *moved.shape[2:])
