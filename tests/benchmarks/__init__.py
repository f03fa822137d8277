"""The benchmark programs: what they count, compare and print; nothing here is timed."""

import importlib.util
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "benchmarks"


def program(name, monkeypatch):
    """A program of benchmarks/ as a module of its own, which finds the others by their bare names."""
    monkeypatch.syspath_prepend(str(FOLDER))
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
