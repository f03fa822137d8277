"""Every test of this folder has a cache folder of its own."""

import re

import pytest


@pytest.fixture(autouse=True)
def cache_folder(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("MINICNN_CACHE", str(folder))
    return folder


def exactly(text: object) -> str:
    """For pytest.raises(match=...): the whole message and nothing else."""
    return f"^{re.escape(str(text))}$"
