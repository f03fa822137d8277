"""Topological order: from symbols to the sequence of calls that Model(inputs, outputs) runs.

      values   0: the first input  1: the second ...   then every step's outputs, one after the other
      steps    conv2d (0) -> 2      conv2d_1 (0) -> 3      add [2, 3] -> 4      dense (4) -> 5

A Sequential is the graph whose step i reads value i. Layers stand in the order of their distance from the outputs, the
furthest first, those of one distance as they are met from the outputs back: the order of weights in Keras's files.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from .. import arguments
from ..core.symbol import Call, Symbol
from ..errors import ArgumentError, ArgumentTypeError, require
from ..layers.base import on_symbols
from ..structure import flat


class Step(NamedTuple):
    """One call.  inputs: numbers of values;  listed: they go in as a list;  training: what the call itself says."""

    layer: Any
    inputs: tuple[int, ...]
    listed: bool = False
    training: bool | None = None


class Graph(NamedTuple):
    """inputs, outputs: symbols;  ends: the outputs' values;  shapes: of each layer, what its first call is given."""

    inputs: tuple[Symbol, ...]
    outputs: tuple[Symbol, ...]
    layers: list
    steps: list[Step]
    ends: tuple[int, ...]
    shapes: dict


def symbols_of(where: str, given: Any) -> tuple[Symbol, ...]:
    """One symbol, or a structure of them, as a tuple: see structure.py."""
    found = on_symbols(flat(given))
    ok = found and all(isinstance(one, Symbol) for one in found)
    fix = "start at x = Input(shape) and call layers on it"
    require(ok, f"Model: {where}", "symbols, as Input and layers called on it give", arguments.shown(given), fix,
            error=ArgumentTypeError)  # fmt: skip
    return found


def between(inputs: tuple[Symbol, ...], outputs: tuple[Symbol, ...]) -> Graph:
    """All calls between inputs and outputs.  Raises ArgumentError where the inputs do not decide the outputs."""
    expected = "each input once"
    require(len(set(map(id, inputs))) == len(inputs), "Model: inputs", expected, "one of them twice",
            error=ArgumentError)  # fmt: skip
    ordered, met = _calls(inputs, outputs)
    depths: dict[Call, int] = {}
    by_layer: dict[Any, int] = {}
    for call in reversed(ordered):
        depths[call] = by_layer[call.layer] = max(depths.get(call, 0), by_layer.get(call.layer, 0))
        for symbol in call.inputs:
            if symbol.call in met:
                depths[symbol.call] = max(depths.get(symbol.call, 0), depths[call] + 1)
    unused = [one.call.layer for one in inputs if not one.call.inputs and one.call.layer not in by_layer]
    firsts = {layer: i for i, layer in enumerate(dict.fromkeys(call.layer for call in met))} | dict.fromkeys(unused, -1)
    by_layer |= dict.fromkeys(unused, 0)
    layers = sorted(by_layer, key=lambda layer: (-by_layer[layer], firsts[layer]))
    check_names("Model", layers)
    numbers = {id(one): i for i, one in enumerate(inputs)}
    steps, shapes, count = [], {}, len(inputs)
    # Calls of one distance in the order in which the walk back finds them, as in Keras: a batch norm that is called
    # twice updates its averages in this order.
    for call in sorted((call for call in depths if call.inputs), key=lambda call: -depths[call]):
        given = tuple(one.sample for one in call.inputs)
        shapes.setdefault(call.layer, given if call.listed else given[0])
        steps.append(Step(call.layer, tuple(numbers[id(one)] for one in call.inputs), call.listed, call.training))
        for i, one in enumerate(call.outputs):
            numbers[id(one)] = count + i
        count += len(call.outputs)
    return Graph(inputs, outputs, layers, steps, tuple(numbers[id(one)] for one in outputs), shapes)


def _calls(inputs, outputs) -> tuple[list[Call], dict[Call, None]]:
    """The calls that outputs need, those before that they need themselves; and in the order in which they are met."""
    given, ordered, met = set(map(id, inputs)), {}, {}
    for output in outputs:
        stack = [] if id(output) in given and output.call.inputs else [(output.call, False)]
        while stack:  # not recursion: a graph may be deeper than Python's stack
            call, seen = stack.pop()
            if seen:
                ordered.setdefault(call)
            elif call not in met:
                met.setdefault(call)
                found = any(id(one) in given for one in call.outputs) or call.inputs
                fix = f"give Model the Input {call.layer.name} too"
                require(found, "Model: inputs", "every Input that the outputs depend on", f"none for {call.layer.name}",
                        fix, error=ArgumentError)  # fmt: skip
                stack.append((call, True))
                stack += [(one.call, False) for one in reversed(call.inputs) if id(one) not in given or
                          not one.call.inputs]  # fmt: skip
    return list(ordered), met


def check_names(where: str, layers: Sequence[Any]) -> None:
    """Raises ArgumentError where two layers share a name: files could not tell them apart."""
    names = [layer.name for layer in layers]
    twice = next((name for name in names if names.count(name) > 1), None)
    require(twice is None, where, "a name of its own for every layer", f"two of {twice!r}", error=ArgumentError)
