"""A model's config, weights and state as plain values and arrays. load.py reads them; the formats are minicnn/io's."""

from typing import Any

import numpy as np

from ..errors import ArgumentError, require
from ..layers import Layer
from . import serialize
from .serialize import is_model

FORMAT = 1  # of the architecture as JSON


def placed(model: Any, path: str = "") -> list[tuple[str, Layer]]:
    """Every layer and its path in our files: "conv2d", of a model in a model "model/conv2d"."""
    found = []
    for layer in model.operations:
        here = path + layer.name
        found += placed(layer, f"{here}/") if is_model(layer) else [(here, layer)]
    return found


def streams(model: Any) -> dict[str, list]:
    """Every layer's seed and number, by its path: where its random numbers come from."""
    return {path: [layer.streams.seed, layer.index] for path, layer in placed(model) if layer.streams is not None}


def weight_names(model: Any) -> dict[int, str]:
    """id of a weight -> "layer/weight", of a model in a model "model/layer/weight": where it stands first."""
    found: dict[int, str] = {}
    for path, layer in placed(model):
        for p in layer.weights:
            found.setdefault(id(p), f"{path}/{p.path.rpartition('/')[2]}")
    return found


def unique_names(model: Any) -> dict[int, str]:
    """weight_names.  Raises ArgumentError where two weights share a name."""
    names = weight_names(model)
    distinct = len(set(names.values())) == len(names)
    fix = "name the layers, or the weights of your own ones, differently"
    require(distinct, f"save: {model.name}", "one name per weight", "two of one name", fix, error=ArgumentError)
    return names


def compiled(model: Any) -> dict | None:
    if model.optimizer is None:
        return None
    loss, many = model.loss, hasattr(model.loss, "items")
    several = {"metric_places": model.metric_places} if isinstance(model.sample_out, list) else {}
    if many:
        entries = {"outputs": [one and serialize.loss_entry(one) for one in loss.items], "weights": list(loss.weights)}
    return several | {
        "optimizer": serialize.optimizer_entry(model.optimizer),
        "loss": entries if many else loss and serialize.loss_entry(loss),
        "metrics": [serialize.metric_entry(m) for m in model.metrics],
        "weighted_metrics": [serialize.metric_entry(m) for m in model.weighted_metrics],
    }


def training_state(model: Any) -> dict:
    """The random state, what the optimizer has done, and in mid-epoch the place there."""
    names, optimizer = weight_names(model), model.optimizer
    stepped = [] if optimizer is None else [names[id(p)] for p in optimizer.params if id(p) in names]
    state = {
        "seed": model.streams.seed, "step": model.streams.step, "epoch": model.streams.epoch,
        "iterations": 0 if optimizer is None else optimizer.iterations,
        "parameters": stepped, "slots": list(optimizer.kept) if optimizer is not None and stepped else [],
    }  # fmt: skip
    if model.streams.inferences:
        state["inferences"] = model.streams.inferences
    return state | ({"underway": model.underway.state()[0]} if _in_mid_epoch(model) else {})


def _in_mid_epoch(model) -> bool:
    return model.underway is not None and model.underway.step > 0 and bool(model.underway.identity)


def arrays(model: Any) -> dict[str, np.ndarray]:
    """Weights, the optimizer's state, and in mid-epoch what metrics hold: name -> array."""
    names = unique_names(model)
    found = {f"weights/{names[id(p)]}": p.numpy() for p in model.weights}
    if model.optimizer is not None:
        for slot, values in model.optimizer.get_state().items():
            for p, array in zip(model.optimizer.params, values, strict=True):
                if id(p) in names:  # not one of a layer that was popped
                    found[f"optimizer/{slot}/{names[id(p)]}"] = array
    return found | (model.underway.state()[1] if _in_mid_epoch(model) else {})


def keras_optimizer(model: Any) -> dict | None:
    """What Keras keeps of an optimizer, in Keras's units; None when it steps other weights than the trainable ones."""
    optimizer, params = model.optimizer, model.trainable_weights
    if [id(p) for p in optimizer.params] == [id(p) for p in params]:
        return {"iterations": optimizer.iterations, "slots": optimizer.get_state(), "count": len(params)}
    if optimizer.params:
        return None
    slots = {s: [p.numpy() * 0 + optimizer.start_of(s) for p in params] for s in optimizer.kept}
    return {"iterations": 0, "slots": slots, "count": len(params)}
