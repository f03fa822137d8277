"""The fingerprint of a run as flat facts: name -> number or short text, to be compared and shown.

    {"x": "(50, 6, 6, 1) float32 3f2a5c0e9b1d4a77", "batch_size": 32, "layer 1: filters": 8, ...}
"""

import hashlib
import json
import os
from collections.abc import Mapping
from inspect import signature
from typing import Any

import numpy as np

from ..callbacks import Callback, History, ProgressBar
from ..data.image_files import ImageFiles
from ..io import container
from .inputs import Arrays, Augmented, Batches
from .several import Several

Facts = dict[str, Any]
# Where a callback writes and what it says may differ from one call to the next.
FREE = ("verbose", "filepath", "filename", "log_dir", "backup_dir", "delete_checkpoint", "double_checkpoint")


def of_array(array: np.ndarray | None) -> str:
    """Shape, type and the beginning of the digest of all values."""
    if array is None:
        return "none"
    if isinstance(array, Several):
        return "; ".join(map(of_array, array.parts))
    if isinstance(array, ImageFiles):  # names and sizes alone: reading them all would take minutes
        sizes = [[os.path.basename(p), os.path.getsize(p) if os.path.exists(p) else -1] for p in array.paths]
        text = json.dumps([sizes, array.options], sort_keys=True)
        return f"{array.shape} files {hashlib.sha256(text.encode()).hexdigest()[:16]}"
    array = np.asarray(array)
    return f"{array.shape} {array.dtype.name} {container.digest({'': array})[:16]}"


def of_source(source: Any, what: str = "") -> Facts:
    """The data: what, for messages, before every name."""
    if isinstance(source, Batches):
        return {f"{what}x": f"batches of a {source.kind}"}
    facts = {f"{what}x": of_array(source.x), f"{what}y": of_array(source.y),
             f"{what}sample weights": of_array(source.weights), f"{what}batch_size": source.batch_size}  # fmt: skip
    if isinstance(source, Augmented):
        facts[f"{what}flow: shuffle"] = bool(source.flow.shuffle)
        held = vars(source.flow.image_data_generator)
        facts |= {f"{what}augmentation: {name}": _short(value) for name, value in sorted(held.items())}
    return facts


def of_epoch(source: Any, steps: int | None, shuffle: bool) -> str:
    """One digest of the rows of an epoch and their order; "" where that is not known before they come."""
    if not isinstance(source, Arrays):
        return ""
    if not hasattr(source, "identity"):
        source.identity = of_source(source)  # the values are read once per fit
    facts = source.identity | {"steps": steps, "shuffle": bool(shuffle)}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def of_network(document: Mapping) -> Facts:
    """Every argument of every layer, loss and metric, from what `save` would write; names where they were given."""
    config, compiled = document["config"], document["compiled"]
    facts: Facts = {"dtype": document["dtype"], "input shape": _short(config["input_shape"])}
    for number, layer in enumerate(config["layers"], 1):
        facts[f"layer {number}"] = layer["class_name"]
        for name, value in layer["config"].items():
            if name != "name" or layer["named"]:
                facts[f"layer {number}: {name}"] = _short(value)
    facts["layers"] = len(config["layers"])
    facts |= {name: _short(config[name]) for name in ("steps", "outputs") if name in config}
    facts |= {name: _short(compiled[name]) for name in ("loss", "metrics", "weighted_metrics")}
    return facts


def of_optimizer(document: Mapping) -> Facts:
    entry = document["compiled"]["optimizer"]
    config = {name: value for name, value in entry["config"].items() if name != "name"}
    return {"optimizer": entry["class_name"]} | {f"optimizer: {name}": _short(v) for name, v in config.items()}


def of_callbacks(callbacks: list[Callback]) -> Facts:
    """Their classes in order, and of ours the plain settings."""
    facts: Facts = {}
    for number, one in enumerate(kept(callbacks), 1):
        name = f"callback {number}"
        facts[name] = type(one).__name__
        if is_ours(one):
            settings = {key: getattr(one, key, None) for key in signature(type(one)).parameters if key not in FREE}
            facts |= {f"{name}: {key}": _short(v) for key, v in settings.items() if not callable(v)}
    return facts


def is_ours(callback: Callback) -> bool:
    return type(callback).__module__.startswith(Callback.__module__.rpartition(".")[0])


def kept(callbacks: list[Callback]) -> list[Callback]:
    """Those that a run consists of: how it is shown is nobody's business."""
    return [one for one in callbacks if not isinstance(one, (History, ProgressBar))]


def differences(theirs: Mapping, ours: Mapping) -> list[tuple[str, str, str]]:
    """(name, the checkpoint's, this call's) for every fact that is not the same on both sides."""
    names = [*ours, *(name for name in theirs if name not in ours)]
    return [(n, str(theirs.get(n, "none")), str(ours.get(n, "none"))) for n in names if theirs.get(n) != ours.get(n)]


def _short(value: Any) -> Any:
    """A number or text as it is, an array by its digest, anything else as text of one line."""
    if isinstance(value, np.ndarray) and value.size > 8:
        return of_array(value)
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return " ".join(repr(value).split()) if not isinstance(value, (dict, list)) else json.dumps(value, default=repr)
