"""Formatting of numbers and times in progress lines.

Source: Keras 3, utils/progbar.py.
"""

from collections.abc import Mapping
from typing import Any


def number(value: Any) -> str:
    """%.4f above 1e-3 in size, else %.4e; what is no number as it is."""
    try:
        value = float(value)
    except (TypeError, ValueError):
        return str(value)
    return f"{value:.4f}" if abs(value) > 1e-3 else f"{value:.4e}"


def metrics(logs: Mapping) -> str:
    """ " - accuracy: 0.9812 - loss: 0.0611 - val_accuracy: ... - learning_rate: ...": by name, val_ after, lr last."""
    names = sorted(logs, key=lambda name: (name == "learning_rate", name.startswith("val_"), name))
    return "".join(f" - {name}: {number(logs[name])}" for name in names)


def per_step(seconds: float) -> str:
    """ "28ms/step": whole s, ms or us."""
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.0f}s/step"
    return f"{seconds * 1e3:.0f}ms/step" if seconds >= 1e-3 else f"{seconds * 1e6:.0f}us/step"


def eta(seconds: float) -> str:
    """ "42s", "1:05" above a minute, "1:01:05" above an hour."""
    seconds = int(seconds)
    if seconds > 3600:
        return f"{seconds // 3600}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"
    return f"{seconds // 60}:{seconds % 60:02d}" if seconds > 60 else f"{seconds}s"
