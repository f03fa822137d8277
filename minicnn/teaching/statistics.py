"""Statistics of layers while a model learns: activations, gradients and updates, epoch by epoch, as numbers.

      watch = teaching.Statistics(x_train[:64], y_train[:64])
      model.fit(x_train, y_train, callbacks=[watch])
      watch.epochs[-1]["conv2d"]["dead"], watch.epochs[-1]["conv2d"]["update"]
"""

from typing import Any

import numpy as np

from .. import arguments
from ..callbacks import Callback
from ..errors import ArgumentTypeError, require

SATURATED = {"tanh": (-0.99, 0.99), "sigmoid": (0.01, 0.99), "hard_sigmoid": (0.0, 1.0)}


def layer_statistics(trace: Any) -> dict[str, dict[str, float]]:
    """Layer -> numbers of its output in a trace, and of its weights.

    mean, rms   of the output;   gradient  rms of dL/d output
    zeros       fraction of the output that is 0;  dead, units: channels that are 0 in all images, of how many (ReLU)
    saturated   fraction of a tanh's or sigmoid's output within 0.01 of its ends
    weights, weight_gradient  rms over all weights of the layer
    What a layer does not have is left out.
    """
    ok = hasattr(trace, "dead_units")
    require(ok, "layer_statistics: trace", "what model.trace returns", arguments.shown(trace), error=ArgumentTypeError)
    dead, found = trace.dead_units(), {}
    last, stands = {step.output: step.op for step in trace.steps}, trace.stands()
    last |= {stands[s.node.outputs[0]]: s.op for s in trace.steps
             if s.node.outputs[0] in stands and s.op not in ("transpose", "reshape")}  # fmt: skip
    owned: dict[str, list[str]] = {}
    for name in trace.values:
        layer = name.rpartition("/")[0]
        if layer and name not in last and layer in trace.values:
            owned.setdefault(layer, []).append(name)
    for layer in dict.fromkeys(step.layer for step in trace.steps if step.layer in trace.values):
        y, row = trace.values[layer], {}
        row |= {"mean": float(y.mean()), "rms": rms(y), "zeros": float((y == 0).mean())}
        if layer in dead:
            row["dead"], row["units"] = dead[layer]
        if last.get(layer) in SATURATED:
            low, high = SATURATED[last[layer]]
            row["saturated"] = float(((y <= low) | (y >= high)).mean())
        if layer in trace.gradients:
            row["gradient"] = rms(trace.gradients[layer])
        weights = [name for name in owned.get(layer, ()) if name in trace.gradients]
        if weights:
            row["weights"] = rms(*(trace.values[name] for name in weights))
            row["weight_gradient"] = rms(*(trace.gradients[name] for name in weights))
        found[layer] = row
    return found


def rms(*arrays: Any) -> float:
    """Root of the mean square over all numbers of the arrays."""
    total = sum(float(np.square(a, dtype=np.float64).sum()) for a in arrays)
    return float(np.sqrt(total / max(sum(a.size for a in arrays), 1)))


class Statistics(Callback):
    """layer_statistics of the same few images before training and after every epoch, as a training step sees them.

    x, y    images and targets as fit takes them: a few dozen are enough
    twin    a model of the same layers that is asked instead, on kernels that need no compiling; it gets the weights
    epochs  what was found, the first of them before training. update: rms of what an epoch changed of a layer's
            trainable weights, relative to the rms of what they were.
    """

    lazy_logs = async_safe = True

    def __init__(self, x: Any, y: Any, twin: Any = None):
        super().__init__()
        ok = twin is None or hasattr(twin, "trace")
        require(ok, "Statistics: twin", "a model", arguments.shown(twin), error=ArgumentTypeError)
        self.x, self.y, self.twin = x, y, twin
        self.epochs: list[dict] = []
        self._before: list[np.ndarray] = []

    def get_state(self) -> dict[str, Any]:
        return {"epochs": self.epochs, "before": self._before}

    def set_state(self, state: dict[str, Any]) -> None:
        self.epochs, self._before = list(state["epochs"]), list(state["before"])

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.epochs, self._before = [], []
        self._look()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._look()

    def _look(self) -> None:
        weights = self.model.get_weights()
        looked = self.model if self.twin is None else self.twin
        if self.twin is not None:
            self.twin.set_weights(weights)
        found = layer_statistics(looked.trace(self.x, self.y, training=True))
        if self._before:
            place = {id(p): k for k, p in enumerate(looked.weights)}
            for layer in looked.leaves:
                mine = [place[id(p)] for p in layer.trainable_weights if id(p) in place]
                size = rms(*(self._before[k] for k in mine))
                if mine and layer.name in found and size:
                    changed = rms(*(weights[k] - self._before[k] for k in mine))
                    found[layer.name]["update"] = changed / size
        self.epochs.append(found)
        self._before = [np.array(w) for w in weights]
