"""help(Conv2D): every argument, an example that runs, and files that exist."""

import doctest
import inspect
import re
from pathlib import Path

import pytest

from minicnn import layers
from minicnn.layers import glossary

ROOT = Path(__file__).parents[2]
LAYERS = {thing.__name__: thing for thing in map(vars(layers).get, layers.__all__) if isinstance(thing, type)}
LAYERS.pop("Layer")


def arguments_of(layer):
    kinds = inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL
    return [p.name for p in inspect.signature(layer).parameters.values() if p.kind not in kinds]


@pytest.mark.parametrize("name", LAYERS)
def test_every_argument_is_explained(name):
    text = LAYERS[name].__doc__.partition("\n    Arguments\n")[2]
    bounds = [f"{what}_{how}" for what in LAYERS[name].bound for how in ("regularizer", "constraint")]
    for argument in {*arguments_of(LAYERS[name]), *bounds} - set(glossary.SHARED):
        assert re.search(rf"^ {{8}}{argument}( = .*)? {{2,}}\S", text, re.MULTILINE), argument
    assert len(text) < 4000  # it is there once


@pytest.mark.parametrize("name", glossary.EXAMPLES)
def test_examples_run(name):
    (found,) = doctest.DocTestFinder(recurse=False).find(LAYERS[name], name)
    assert len(found.examples) == 2
    assert doctest.DocTestRunner().run(found) == (0, 2)


def test_the_files_are_there():
    for where in glossary.ARITHMETIC.values():
        paths = re.findall(r"[\w/]+/[\w/]+\.py", where)
        assert paths
        for path in paths:
            assert (ROOT / path).is_file(), path
    assert "minicnn/ops/conv.py" in layers.Conv2D.__doc__
    modules = {layer.__module__.rpartition(".")[2] for layer in LAYERS.values()}
    assert set(glossary.ARITHMETIC) <= modules


def test_nothing_is_explained_that_is_not_there():
    used = {argument for layer in LAYERS.values() for argument in arguments_of(layer)}
    known = {f"{name}.{argument}" for name, layer in LAYERS.items() for argument in arguments_of(layer)} | used
    assert [entry for entry in glossary.ARGUMENTS if entry not in known] == []
