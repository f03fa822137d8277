"""Every input that the fuzzer (benchmarks/fuzz.py) began with or found something with, read once more."""

import importlib.util
from pathlib import Path

import pytest

from minicnn.data import cache
from minicnn.saving import build

pytest.importorskip("h5py", reason='could not import "h5py": pip install -e ".[test]"')
CORPUS = Path(__file__).with_name("corpus")
SPEC = importlib.util.spec_from_file_location("fuzz", Path(__file__).parents[2] / "benchmarks" / "fuzz.py")
fuzz = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(fuzz)


@pytest.mark.parametrize("source", sorted(CORPUS.glob("*/*")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_value_or_one_sentence(source, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "folder", lambda: None)
    monkeypatch.setattr(build, "WEIGHT_LIMIT", fuzz.SMALL)
    reader = fuzz.READERS[source.parent.name]
    path = tmp_path / f"input{reader.suffix}"
    path.write_bytes(source.read_bytes())
    reader.read(path)  # which raises nothing


@pytest.mark.parametrize("name", fuzz.READERS)
def test_mutations_keep_to_the_format_and_the_readers_stand_them(name, tmp_path, monkeypatch):
    """Forty of the mutations that know the format, from fixed seeds: the fuzzer's own code, and a small run of it."""
    import random

    monkeypatch.setattr(cache, "folder", lambda: None)
    monkeypatch.setattr(build, "WEIGHT_LIMIT", fuzz.SMALL)
    reader = fuzz.READERS[name]
    path, done = tmp_path / f"input{reader.suffix}", 0
    seeds = sorted((CORPUS / name).glob("*"))
    for number in range(40):
        try:
            data = reader.mutate(seeds[number % len(seeds)].read_bytes(), random.Random(number))
        except (ValueError, KeyError, TypeError, AttributeError, OSError):  # the change before left no such place
            continue
        path.write_bytes(data)
        reader.read(path)
        done += 1
    assert done > 20
