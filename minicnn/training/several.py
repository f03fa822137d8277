"""Data of models with several inputs or outputs: arrays that are cut alike, and one loss per output.

A model with one input and one output sees none of it: where there is one array, the array itself is passed on.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import arguments, losses
from ..errors import ArgumentError, ArgumentTypeError, UnsupportedError, require
from ..layers.open_sizes import is_open
from ..structure import opened

if TYPE_CHECKING:
    from .stack import LayerStack


class Several:
    """One array per input or output: len, rows and slices as of one array."""

    def __init__(self, parts: Iterable[Any]):
        self.parts = tuple(parts)

    shape = property(lambda self: (len(self), None))
    nbytes = property(lambda self: sum(part.nbytes for part in self.parts))
    data = property(lambda self: Several(part.data for part in self.parts))  # of tensors

    def __len__(self) -> int:
        return len(self.parts[0])

    def __getitem__(self, rows) -> "Several":
        return Several(None if part is None else part[rows] for part in self.parts)


def parts(value: Any) -> tuple:
    """The arrays of Several; of anything else the value alone."""
    return value.parts if isinstance(value, Several) else (value,)


def each(function: Callable, value: Any) -> Any:
    """function(value), or of every part."""
    if not isinstance(value, Several):
        return function(value)
    return Several(None if part is None else function(part) for part in value.parts)


def together(values: Iterable[Any]) -> Any:
    """One value as it is, several as Several."""
    values = list(values)
    return values[0] if len(values) == 1 else Several(values)


def per_place(where: str, given: Any, names: list[str], *, fill: bool = False) -> list:
    """One value for each name, from a list, a tuple, Several, or a dict by name.  fill: None for what a dict lacks.

    names   may be Places, whose structure the value may have.
    """
    given = given.parts if isinstance(given, Several) else opened(getattr(names, "template", None), given)
    if isinstance(given, dict):
        unknown = [key for key in given if key not in names]
        require(not unknown, where, f"names of {', '.join(names)}", ", ".join(map(repr, unknown)), error=ArgumentError)
        lacking = [name for name in names if name not in given]
        require(fill or not lacking, where, f"one for each of {', '.join(names)}", f"none for {', '.join(lacking)}",
                error=ArgumentError)  # fmt: skip
        return [given.get(name) for name in names]
    expected = f"a list of {len(names)}, or a dict by {', '.join(names)}"
    ok = isinstance(given, (list, tuple)) and len(given) == len(names)
    received = f"{len(given)} of them" if isinstance(given, (list, tuple)) else arguments.shown(given)
    require(ok, where, expected, received, error=ArgumentTypeError)
    return list(given)


def per_input(where: str, given: Any, names: list[str]) -> list:
    """per_place of a model's inputs: a list for a dict goes by the order of names where that is the dict's own."""
    template: Any = getattr(names, "template", None)
    shuffled = isinstance(template, dict) and list(template) != sorted(template) and isinstance(given, (list, tuple))
    received = f"a list, whose order is not that of the dict, {', '.join(template)}" if shuffled else ""
    require(not shuffled, where, f"a dict by {', '.join(names)}", received, error=ArgumentTypeError)
    return per_place(where, given, names)


def only_one(given: Any, names: list[str]) -> bool:
    """Whether it is a list or a dict that holds what belongs to the one name."""
    return list(given) == names if isinstance(given, dict) else isinstance(given, (list, tuple)) and len(given) == 1


class Losses:
    """One loss per output, or None where an output has none; their sum is weighed by `weights`."""

    reduction, name = "sum_over_batch_size", "losses"

    def __init__(self, items: list["losses.Loss | None"], weights: list[float]):
        self.items, self.weights = items, weights

    @property
    def traced(self) -> bool:
        return all(one is None or one.traced for one in self.items)


def losses_of(where: str, given: Any, names: list[str], weights: Any) -> "losses.Loss | Losses | None":
    """A Loss for a model with one output; Losses for several, or where the one has a weight."""
    for one in given if isinstance(given, (list, tuple)) else []:
        _apart(where, one[0] if isinstance(one, (list, tuple)) and len(one) == 1 else one)
    if weights is not None:
        given_weights = [weights] if isinstance(arguments.scalar(weights), (int, float)) else weights
        weights = per_place("compile: loss_weights", given_weights, names, fill=True)
        weights = [1.0 if w is None else arguments.number("compile: loss_weights", w) for w in weights]
    if given is None or isinstance(given, Losses):
        return given
    if len(names) == 1:
        one = per_place(where, given, names)[0] if only_one(given, names) else given
        return _one(where, one) if weights in (None, [1.0]) else Losses([_one(where, one)], weights)
    named = isinstance(given, (list, tuple, dict))
    listed = per_place(where, given, names, fill=True) if named else [given] * len(names)
    items = [None if one is None else _one(where, one) for one in listed]
    require(any(items), where, "a loss for one output at least", "none", error=ArgumentError)
    return Losses(items, weights or [1.0] * len(names))


def _apart(where: str, value) -> None:
    several = isinstance(value, (list, tuple)) or (isinstance(value, dict) and "class_name" not in value)
    if several and value:
        lacking = "minicnn has no losses of several outputs together, nor several of one"
        raise UnsupportedError(f"{where}: {lacking}: expected one for each, received {arguments.shown(value)}")


def _one(where: str, value) -> losses.Loss:
    """A Loss from a name, a function or an instance, alone or as the only one of a list."""
    value = value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value
    _apart(where, value)
    loss = losses.get(value)
    ok = loss.reduction != "none"
    require(ok, where, "a loss that is one number", 'reduction "none"', error=ArgumentError)
    return loss


def concatenated(pieces: list) -> Any:
    """Pieces of one array, or of Several, put together."""
    if not isinstance(pieces[0], Several):
        return np.concatenate(pieces)
    return Several(np.concatenate(column) for column in zip(*(piece.parts for piece in pieces), strict=True))


def output_shapes(model: "LayerStack", x: Any) -> list[tuple]:
    """One per output, for x, or Several of them, whose sizes may be those that the model leaves open."""
    shapes = model.samples_out
    return model.shapes_for([one.shape[1:] for one in parts(x)]) if is_open(shapes) else shapes
