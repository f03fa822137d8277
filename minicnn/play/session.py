"""What the page shows of a model: plain dicts of numbers, texts and pictures, each made when the page asks.

The model is the user's own, of any architecture with one image in and one vector out. The server calls from one thread;
training runs in another, a step at a time: the model's guard keeps the two apart.
"""

import base64
import threading
import time

import numpy as np

from ..data import digits
from ..data.augment import ImageDataGenerator
from ..errors import ArgumentError, MinicnnError, require
from .frame import frame, resized

MOST_CHANNELS = 128  # of a layer are shown; the page says how many there are
BATCH = 32  # images of a training step
SHOWN_STEPS = 400  # of the training's losses
AUGMENTED = {"rotation_range": 10, "width_shift_range": 0.1, "height_shift_range": 0.1, "zoom_range": 0.1}


def picture(array: np.ndarray, low: float, high: float) -> str:
    """uint8 of an array, `low` black and `high` white, as base64."""
    span = high - low
    scaled = np.zeros(array.shape) if not span > 0 else (array - low) * (255 / span)
    return base64.b64encode(np.clip(np.rint(scaled), 0, 255).astype(np.uint8).tobytes()).decode("ascii")


class Session:
    """One model and one drawing."""

    def __init__(self, model, name: str = ""):
        one = not isinstance(model.input_shape, list) and not isinstance(model.output_shape, list)
        ok = one and len(model.input_shape) == 3 and len(model.output_shape) == 1
        received = f"{model.input_shape} in, {model.output_shape} out"
        require(ok, "play", "a model with one image (H, W, C) in and one vector out", received, error=ArgumentError)
        self.model, self.name = model, name or model.name
        self.x = np.zeros(model.input_shape, np.float32)
        self.label: int | None = None  # whose loss flows back; None: of the class that the model believes in
        self.trainer = Trainer(model)
        self._trace = self._made_of = None
        self._lock = threading.Lock()

    @property
    def classes(self) -> int:
        """Labels to choose from: of one output 0 and 1."""
        return max(self.model.output_shape[0], 2)

    @property
    def like_mnist(self) -> bool:
        return tuple(self.model.input_shape) == (digits.SIDE, digits.SIDE, 1)

    # what the page asks ----------------------------------------------------------------------------------------------

    def about(self) -> dict:
        """What does not change while one draws."""
        height, width, channels = self.model.input_shape
        layers = [{"name": layer.name, "kind": type(layer).__name__, "shape": list(layer.output_shape),
                   "parameters": int(layer.count_params())} for layer in self.model.leaves]  # fmt: skip
        return {
            "name": self.name, "input": [height, width, channels], "classes": self.classes, "layers": layers,
            "parameters": int(self.model.count_params()), "framed": self.like_mnist,
            "loss": getattr(self.model.loss, "name", None) or "none", "trains": self.trainer.why_not,
        }  # fmt: skip

    def draw(self, drawn: np.ndarray) -> dict:
        """uint8 (S, S), 255 ink, from the page's canvas: the model's new image."""
        height, width, channels = self.model.input_shape
        stages = frame(drawn)
        image = stages.centred if self.like_mnist else resized(drawn, height, width)
        self.x = np.repeat(image[..., None], channels, axis=-1).astype(np.float32) / 255
        shown = stages if self.like_mnist else (drawn, image)
        names = stages._fields if self.like_mnist else ("drawn", "resized")
        found = [{"name": name, "shape": list(stage.shape[:2]), "pixels": picture(stage, 0, 255)}
                 for name, stage in zip(names, shown, strict=True)]  # fmt: skip
        return {"stages": found} | self.look()

    def example(self, number: int) -> np.ndarray:
        """uint8 (28, 28): an embedded digit, to begin with."""
        x, _ = digits.load_data()
        return x[number % len(x), ..., 0]

    def look(self) -> dict:
        """Outputs, maps and the way back of the image that is there, by the weights of now."""
        trace = self._now()
        layers = []
        for layer in self.model.leaves:
            if layer.name in trace.values:
                layers.append(self._shown(trace, layer.name))
        outputs = self._outputs(trace)
        by, heat = self._grad_cam(trace)
        return {
            "outputs": [float(value) for value in outputs], "loss": trace.loss, "label": self._label(outputs),
            "layers": layers, "x": picture(self.x.mean(axis=-1), 0, 1), "step": self.trainer.step,
            "cam": by and {"layer": by, "shape": list(heat.shape), "pixels": picture(heat, 0, heat.max())},
        }  # fmt: skip

    def backward(self, label: int | None) -> dict:
        """The way back from this class's loss from now on; None: from the one that the model believes in."""
        ok = label is None or 0 <= label < self.classes
        require(ok, "play: label", f"0 to {self.classes - 1}", label, error=ArgumentError)
        self.label = label
        return self.look()

    def cell(self, name: str, index: list[int]) -> dict:
        """One number written out: where it comes from, where its gradient does, and what it sees of the image."""
        trace = self._now()
        found = trace.cell(name, *index)
        seen = trace.receptive_field(name, *index)
        return {
            "name": name, "index": list(index), "value": found.value, "gradient": found.gradient,
            "text": str(found), "field": [[part.start, part.stop] for part in seen] or None,
            "patch": _table(found.patch), "kernel": _table(found.kernel), "products": _table(found.products),
            "bias": found.bias,
        }  # fmt: skip

    # how -------------------------------------------------------------------------------------------------------------

    def _now(self):
        """The trace of this image with these weights and this label."""
        with self._lock:
            made_of = self.x.tobytes(), self.label, self.model.guard.version
            if made_of != self._made_of:
                label, learns = self.label, self.model.loss is not None
                if learns and label is None:
                    label = self._label(self._outputs(self.model.trace(self.x)))
                self._trace, self._made_of = self.model.trace(self.x, label if learns else None), made_of
            return self._trace

    def _outputs(self, trace) -> np.ndarray:
        return trace[self.model.leaves[-1].name][0]

    def _label(self, outputs: np.ndarray) -> int:
        if self.label is not None:
            return self.label
        return int(outputs.argmax()) if len(outputs) > 1 else int(outputs[0] > 0.5)

    def _shown(self, trace, name: str) -> dict:
        values, gradient = trace.values[name][0], trace.gradients.get(name)
        values = values if values.ndim in (1, 3) else values.reshape(-1)
        low, high = float(values.min()), float(values.max())
        found = {"name": name, "shape": list(values.shape), "low": low, "high": high,
                 "mean": float(values.mean()), "zeros": float((values == 0).mean()),
                 "pixels": picture(_channels(values), low, high)}  # fmt: skip
        if gradient is not None:
            gradient = gradient[0].reshape(values.shape)
            most = float(np.abs(gradient).max())
            found |= {"most": most, "gradient": picture(_channels(gradient), -most, most)}
        return found

    def _grad_cam(self, trace):
        """(layer, heat) of the last layer that still has rows and columns, or twice None."""
        for layer in reversed(self.model.leaves):
            values = trace.values.get(layer.name)
            if values is not None and values.ndim == 4 and min(values.shape[1:3]) > 1 and layer.name in trace.gradients:
                return layer.name, trace.grad_cam(layer)
        return None, None


def _channels(values: np.ndarray) -> np.ndarray:
    """(C, H, W), at most so many; of a vector (n,) itself."""
    return values if values.ndim == 1 else values[..., :MOST_CHANNELS].transpose(2, 0, 1)


def _table(window) -> list | None:
    """(KH, KW, C) as [channel][row][column]."""
    return None if window is None else np.asarray(window, np.float64).transpose(2, 0, 1).tolist()


class Trainer:
    """Steps on the embedded digits, turned, moved and zoomed: one by one, or until somebody says pause."""

    def __init__(self, model):
        self.model, self.step, self.losses, self.accuracies = model, 0, [], []
        self.error = ""
        self._go, self._end, self._thread, self._one = threading.Event(), False, None, threading.Lock()
        self._batches = None

    @property
    def why_not(self) -> str:
        """An empty text if the model can learn the embedded digits, else why it cannot."""
        if tuple(self.model.input_shape) != (digits.SIDE, digits.SIDE, 1) or self.model.output_shape != (10,):
            return "the digits that are there are images of (28, 28, 1) in 10 classes; this model is of another shape"
        return "" if self.model.optimizer is not None else "the model has no optimizer: compile it before it is saved"

    @property
    def running(self) -> bool:
        return self._go.is_set()

    def state(self) -> dict:
        """Where it stands, and the latest losses and accuracies, a number per step."""
        rate = None if self.model.optimizer is None else float(self.model.optimizer.learning_rate)
        return {"step": self.step, "running": self.running, "rate": rate, "error": self.error,
                "losses": self.losses[-SHOWN_STEPS:], "accuracies": self.accuracies[-SHOWN_STEPS:]}  # fmt: skip

    def command(self, what: str, rate: float | None = None) -> dict:
        """`what`: run, pause or step; rate: the learning rate from now on."""
        ok = what in ("run", "pause", "step")
        require(ok, "play: training", '"run", "pause" or "step"', what, error=ArgumentError)
        require(not self.why_not, "play: training", "a model that can learn these digits", self.why_not,
                error=ArgumentError)  # fmt: skip
        if rate is not None:
            require(0 < rate < 1e3, "play: learning rate", "a number above 0", rate, error=ArgumentError)
            self.model.optimizer.learning_rate = rate
        if what == "step":
            self.once()
        elif what == "run":
            self.error = ""
            self._go.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()
        else:
            self._go.clear()
        return self.state()

    def once(self) -> None:
        """One step."""
        with self._one:
            if self._batches is None:
                (x, y), *_ = digits.split()
                generator = ImageDataGenerator(**AUGMENTED, rescale=1 / 255)
                y = y if "sparse" in str(getattr(self.model.loss, "name", "")) else np.eye(10, dtype=np.float32)[y]
                self._batches = generator.flow(x, y, BATCH)
            x, y = next(self._batches)
            found = self.model.train_on_batch(x, y, return_dict=True)
            self.step += 1
            self.losses.append(float(found["loss"]))
            accuracy = next((value for name, value in found.items() if "acc" in name), None)
            self.accuracies.append(None if accuracy is None else float(accuracy))

    def close(self) -> None:
        self._end = True
        self._go.set()

    def _run(self) -> None:
        while self._go.wait() and not self._end:
            try:
                self.once()
            except MinicnnError as error:
                self.error = str(error)
                self._go.clear()
            time.sleep(0.001)  # whoever waits for the guard comes first
