"""Session: the page's view of a model, as plain dicts of numbers, texts and pictures, made when the page asks.

The model is the user's own, of any architecture with one input. A drawing becomes that input, whatever its shape:

      (H, W, C)  or, channels_first, (C, H, W)     the drawing in every channel
      (H, W), also steps of a sequence             the drawing
      (n,)                                         its rows one after the other: of a square where n is one

The page knows (H, W, C) alone; `viewed` and `place` translate. The server calls from one thread; training runs in
another, a step at a time: the model's guard keeps the two apart.
"""

import base64
import math
import threading
import time
from typing import Any, cast

import numpy as np

from ..data import digits
from ..data.augment import ImageDataGenerator
from ..errors import ArgumentError, MinicnnError, one_of, require
from ..labels import believed
from .frame import frame, resized

MOST_CHANNELS = 128  # of a layer are shown; the page says how many there are
BATCH = 32  # images of a training step
SHOWN_STEPS = 400  # of the training's losses
OPEN = 28  # px of an axis that the model leaves open
AUGMENTED = {"rotation_range": 10, "width_shift_range": 0.1, "height_shift_range": 0.1, "zoom_range": 0.1}


def picture(array: np.ndarray, low: float, high: float) -> str:
    """uint8 of an array, `low` black and `high` white, as base64."""
    span = high - low
    scaled = np.zeros(array.shape) if not span > 0 else (array - low) * (255 / span)
    return base64.b64encode(np.clip(np.rint(scaled), 0, 255).astype(np.uint8).tobytes()).decode("ascii")


def viewed(values: np.ndarray, channels_first: bool) -> np.ndarray:
    """A layer's output for one image as the page shows it: (H, W, C), or (n,)."""
    if values.ndim == 3:
        return values.transpose(1, 2, 0) if channels_first else values
    return values[..., None] if values.ndim == 2 else values.reshape(-1)


def place(index: list[int], shape: tuple[int, ...], channels_first: bool) -> list[int]:
    """Where a cell of the view stands in an output of this shape."""
    if len(shape) == 3 and len(index) == 3:
        return [index[2], *index[:2]] if channels_first else index
    if len(shape) == 2 and len(index) == 3:
        return index[:2]
    ok = len(index) == 1 and 0 <= index[0] < math.prod(shape)
    require(ok, "play: index", f"a cell of {shape}", index, error=ArgumentError)
    return [int(i) for i in np.unravel_index(index[0], shape)]


class Drawn:
    """How a drawing becomes the model's input.  height, width, channels: as it is shown.

    shape: of the input;  channels_first: whether an image is (C, H, W);  framed: whether it is one of MNIST's.
    """

    def __init__(self, model: Any):
        one = not isinstance(model.sample_in, list)
        received = f"{len(model.sample_in)} inputs" if not one else f"one of shape {tuple(model.sample_in)}"
        ok = one and 1 <= len(model.sample_in) <= 3
        require(ok, "play", "a model with one input that can be drawn: (H, W, C), (H, W) or (n,)", received,
                error=ArgumentError)  # fmt: skip
        self.channels_first = model.channels_first
        self.shape = tuple(OPEN if n is None else n for n in model.sample_in)
        if len(self.shape) == 3:
            *sizes, channels = (*self.shape[1:], self.shape[0]) if self.channels_first else self.shape
            self.height, self.width, self.channels = *sizes, channels
        elif len(self.shape) == 2:
            self.height, self.width, self.channels = *self.shape, 1
        else:
            side = math.isqrt(self.shape[0])
            self.height, self.width = (side, side) if side * side == self.shape[0] else (1, self.shape[0])
            self.channels = 1
        self.framed = (self.height, self.width, self.channels) == (digits.SIDE, digits.SIDE, 1)

    def inputs(self, images: np.ndarray) -> np.ndarray:
        """(N, H, W), fractions 0..1 -> (N, *shape) float32."""
        images = images.astype(np.float32)
        if len(self.shape) == 3:
            images = np.repeat(images[..., None], self.channels, axis=-1)
            images = images.transpose(0, 3, 1, 2) if self.channels_first else images
        return np.ascontiguousarray(images).reshape(len(images), *self.shape)

    def field(self, parts: tuple[slice, ...]) -> list | None:
        """A receptive field as rows and columns of the drawing; None for an empty one."""
        ranges = [[part.start, part.stop] for part in parts]
        if any(a >= b for a, b in ranges):
            return None
        if len(self.shape) > 1:
            return ranges
        (first, end), width = ranges[0], self.width
        rows = [first // width, (end - 1) // width + 1]
        return [rows, [first % width, (end - 1) % width + 1] if rows[1] - rows[0] == 1 else [0, width]]


class Session:
    """One model and one drawing. Of several outputs one vector is shown, the first of classes if there are any."""

    def __init__(self, model: Any, name: str = ""):
        self.model, self.name, self.drawn = model, name or model.name, Drawn(model)
        self.outputs = model.sample_out if isinstance(model.sample_out, list) else [model.sample_out]
        vectors = [k for k, shape in enumerate(self.outputs) if len(shape) == 1]
        told = [k for k in vectors if "crossentropy" in str(getattr(model.output_losses[k], "name", ""))]
        self.end = next(iter([*told, *vectors]), None)
        self.image = np.zeros((self.drawn.height, self.drawn.width), np.float32)
        self.x = self.drawn.inputs(self.image[None])[0]
        self.label: int | None = None  # whose loss flows back; None: of the class that the model believes in
        self.trainer = Trainer(model, self.drawn)
        self._trace = self._made_of = None
        self._lock = threading.Lock()

    @property
    def classes(self) -> int:
        """Labels to choose from: of one number 0 and 1; none where no output is a vector."""
        return 0 if self.end is None else max(self.outputs[self.end][0], 2)

    @property
    def loss(self) -> Any:
        """Of the output that is shown; None without."""
        return None if self.end is None or self.model.loss is None else self.model.output_losses[self.end]

    # what the page asks ----------------------------------------------------------------------------------------------

    def about(self) -> dict:
        """What does not change while one draws."""
        size = [self.drawn.height, self.drawn.width, self.drawn.channels]
        layers = [{"name": layer.name, "kind": type(layer).__name__, "parameters": int(layer.count_params())}
                  for layer in self.model.leaves]  # fmt: skip
        of = f" of {self.model.output_names[self.end]}" if len(self.outputs) > 1 and self.end is not None else ""
        return {
            "name": self.name, "input": size, "classes": self.classes, "layers": layers, "of": of,
            "parameters": int(self.model.count_params()), "framed": self.drawn.framed,
            "loss": getattr(self.loss, "name", None) or "none", "trains": self.trainer.why_not,
        }  # fmt: skip

    def draw(self, drawn: np.ndarray) -> dict:
        """uint8 (S, S), 255 ink, from the page's canvas: the model's new image."""
        stages = frame(drawn)
        image = stages.centred if self.drawn.framed else resized(drawn, self.drawn.height, self.drawn.width)
        self.image = image.astype(np.float32) / 255
        self.x = self.drawn.inputs(self.image[None])[0]
        shown = stages if self.drawn.framed else (drawn, image)
        names = stages._fields if self.drawn.framed else ("drawn", "resized")
        found = [{"name": name, "shape": list(stage.shape[:2]), "pixels": picture(stage, 0, 255)}
                 for name, stage in zip(names, shown, strict=True)]  # fmt: skip
        return {"stages": found} | self.look()

    def example(self, number: int) -> np.ndarray:
        """uint8 (28, 28): an embedded digit, to begin with."""
        x, _ = digits.load_data()
        return x[number % len(x), ..., 0]

    def look(self) -> dict:
        """Outputs, maps and gradients of the present image, by the present weights."""
        trace = self._now()
        layers = []
        for layer in self.model.leaves:
            layers += [self._shown(trace, name, layer.name) for name in calls(trace, layer.name)]
        outputs = self._outputs(trace)
        by, heat = self._grad_cam(trace)
        return {
            "outputs": [float(value) for value in outputs], "loss": trace.loss, "label": self._label(outputs),
            "layers": layers, "x": picture(self.image, 0, 1), "step": self.trainer.step,
            "cam": by and {"layer": by, "shape": list(heat.shape), "pixels": picture(heat, 0, heat.max())},
        }  # fmt: skip

    def backward(self, label: int | None) -> dict:
        """Gradients of this class's loss from now on; None: of the class that the model predicts."""
        ok = label is None or 0 <= label < self.classes
        expected = f"0 to {self.classes - 1}" if self.classes else "none: no output is a vector"
        require(ok, "play: label", expected, label, error=ArgumentError)
        self.label = label
        return self.look()

    def cell(self, name: str, index: list[int]) -> dict:
        """One number written out: where it comes from, where its gradient does, and what it sees of the image."""
        trace = self._now()
        one_of("play: layer", name, trace.values)
        there = place(list(index), trace.values[name].shape[1:], trace.channels_first)
        found = trace.cell(name, *there)
        return {
            "name": name, "index": list(index), "value": found.value, "gradient": found.gradient,
            "text": str(found), "field": self.drawn.field(trace.receptive_field(name, *there)),
            "patch": _table(found.patch), "kernel": _table(found.kernel), "products": _table(found.products),
            "bias": found.bias,
        }  # fmt: skip

    def not_finite(self) -> str:
        """A sentence that names the first layer whose output is NaN or infinite."""
        trace = self._now()
        values = {name for name, array in trace.values.items() if not np.isfinite(array).all()}
        slopes = [f"dL/d {name}" for name, array in trace.gradients.items() if not np.isfinite(array).all()]
        first = next((layer.name for layer in self.model.leaves if layer.name in values), None)
        first = first or next(iter([*sorted(values), *slopes]), "training")
        return (f"play: expected finite numbers, received NaN or infinity in {first}: the weights have diverged, or "
                "hold none; load the model anew, and train it with a smaller learning rate")  # fmt: skip

    # how -------------------------------------------------------------------------------------------------------------

    def _now(self) -> Any:
        """The trace of this image with these weights and this label."""
        with self._lock:
            made_of = self.x.tobytes(), self.label, self.model.guard.version
            if made_of != self._made_of:
                self._trace, self._made_of = self.model.trace(self.x, self._targets()), made_of
            return self._trace

    def _targets(self):
        """The label whose loss flows back; other outputs have none, as if they were what they should be."""
        if self.loss is None:
            return None
        forward = cast(Any, self.model.trace(self.x) if self.label is None or len(self.outputs) > 1 else None)
        label = self.label if forward is None else self._label(self._outputs(forward))
        if len(self.outputs) == 1:
            return label
        ends = [cast(Any, forward)[layer.name][0] for layer in self.model.last_layers]
        return [label if k == self.end else believed(loss, y)
                for k, (loss, y) in enumerate(zip(self.model.output_losses, ends, strict=True))]  # fmt: skip

    def _outputs(self, trace) -> np.ndarray:
        return np.zeros(0) if self.end is None else trace[self.model.last_layers[self.end].name][0]

    def _label(self, outputs: np.ndarray) -> int | None:
        if self.label is not None or not len(outputs):
            return self.label
        return int(outputs.argmax()) if len(outputs) > 1 else int(outputs[0] > 0.5)

    def _shown(self, trace, name: str, of: str) -> dict:
        values, gradient = viewed(trace.values[name][0], trace.channels_first), trace.gradients.get(name)
        low, high = float(values.min()), float(values.max())
        found = {"name": name, "of": of, "shape": list(values.shape), "low": low, "high": high,
                 "mean": float(values.mean()), "zeros": float((values == 0).mean()),
                 "pixels": picture(_channels(values), low, high)}  # fmt: skip
        if gradient is not None:
            gradient = viewed(gradient[0], trace.channels_first)
            most = float(np.abs(gradient).max())
            found |= {"most": most, "gradient": picture(_channels(gradient), -(most or 1), most or 1)}
        return found

    def _grad_cam(self, trace) -> tuple[Any, Any]:
        """(layer, heat) of the last layer that still has rows and columns, or twice None."""
        for layer in reversed(self.model.leaves):
            values = trace.values.get(layer.name)
            if values is None or values.ndim != 4 or layer.name not in trace.gradients:
                continue
            if min(viewed(values[0], trace.channels_first).shape[:2]) > 1:
                return layer.name, trace.grad_cam(layer)
        return None, None


def calls(trace: Any, name: str) -> list[str]:
    """The names of a layer's outputs: several of one that is called several times."""
    return [one for one in trace.values if one == name or one.startswith(f"{name}/call_")]


def _channels(values: np.ndarray) -> np.ndarray:
    """(C, H, W), at most so many; of a vector (n,) itself."""
    return values if values.ndim == 1 else values[..., :MOST_CHANNELS].transpose(2, 0, 1)


def _table(window) -> list | None:
    """(KH, KW, C) as [channel][row][column]."""
    return None if window is None else np.asarray(window, np.float64).transpose(2, 0, 1).tolist()


class Trainer:
    """Steps on the embedded digits, turned, moved and zoomed: one by one, or until somebody says pause."""

    def __init__(self, model: Any, drawn: Drawn):
        self.model, self.drawn, self.step, self.losses, self.accuracies = model, drawn, 0, [], []
        self.error = ""
        self._go, self._end, self._thread, self._one = threading.Event(), False, None, threading.Lock()
        self._batches = None

    @property
    def why_not(self) -> str:
        """An empty text if the model can learn the embedded digits, else why it cannot."""
        if not self.drawn.framed or self.model.sample_out != (10,):
            return "the digits that are there are images of 28 x 28 px in 10 classes; this model is of another shape"
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
                numbers = "sparse" in str(getattr(self.model.output_losses[0], "name", ""))
                y = y if numbers else np.eye(10, dtype=np.float32)[y]
                self._batches = generator.flow(x, y, BATCH)
            x, y, *_ = next(self._batches)
            found = self.model.train_on_batch(self.drawn.inputs(x[..., 0]), y, return_dict=True)
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
