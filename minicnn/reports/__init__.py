"""Reports on a run: numbers first (NumPy arrays, DataFrames), then pictures of them.

Every `draw` returns a matplotlib Figure that belongs to nobody: no pyplot state, no window; a notebook shows it, and
`save(figure, "curves.png")` writes it.
"""

import os
from typing import Any

from . import confusion, curves, features, labels, machine, network, per_class, samples, worst

__all__ = [
    "confusion", "curves", "features", "labels", "machine", "network", "per_class", "picture_format", "samples", "save",
    "worst",
]  # fmt: skip


def picture_format(path: str | os.PathLike) -> str:
    """png, svg or pdf, by the suffix. Raises ArgumentError for another: ask before the work, not after it."""
    from . import figure as pictures

    return pictures.picture_format(path)


def save(figure: Any, path: str | os.PathLike) -> None:
    """Write a figure as the suffix of `path` says (.png, .svg, .pdf), atomically. Raises ArgumentError, OSError."""
    from . import figure as pictures

    pictures.save(figure, path)
