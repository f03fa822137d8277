"""Random graphs of layers in minicnn and in Keras; what is compared stands in benchmarks/keras_graphs.py."""

import os
from collections import Counter
from typing import Any, NamedTuple

import numpy as np

import minicnn as mc
from minicnn.backend.cpu import CPU
from minicnn.core.tensor import Tensor
from minicnn.errors import MinicnnError

from .networks import FIRST, IMAGE, LAYERS, SEQUENCE, VECTOR

BOUND = {"outputs": 1e-9, "gradients": 1e-6, "steps": 1e-6, "files": 1e-9, "files, then a step": 1e-6}
MOST = 600  # numbers of one sample of a value
RATE, MOMENTUM, STEPS, ROWS = 0.02, 0.9, 5, 6
MERGES = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")
OPS = {
    "twice": lambda x: x * 2.0, "one less": lambda x: 1.0 - x, "half": lambda x: x / 2.0, "square": lambda x: x**2,
    "negative": lambda x: -x, "a part": lambda x: x[..., :1], "with its part": lambda x: x + x[..., -1:],
}  # fmt: skip
PAIRS = {"sum": lambda x, y: x + y, "difference": lambda x, y: x - y, "product": lambda x, y: x * y}
# Random layers draw their own numbers; exp lets values grow without bound; Keras's backends have different windows.
LEFT_OUT = ("random", "exponential", "resizing, lanczos", "resizing, bicubic")
# In an .h5: Keras cannot read its own, or reads it as one of axis -1.
UNREADABLE = {
    "softmax of images", "normalization of rows", "layer norm of two axes", "root mean square norm of two axes",
    "unit norm of two axes",
}  # fmt: skip
FITTING = {
    rank: [name for name, (shape, _) in LAYERS.items() if shape in shapes and not name.startswith(LEFT_OUT)]
    for rank, shapes in ((1, (VECTOR,)), (2, (SEQUENCE,)), (3, (IMAGE, FIRST)))
}
SHAPES = [(7, 9, 3), (6, 6, 2), (8, 5, 1), (10, 3), (11,), (4,)]


# What ends a graph.
ENDS = {
    "tanh 4": (None, lambda L: L.Dense(4, activation="tanh")),
    "softmax out": (None, lambda L: L.Dense(3, activation="softmax")),
    "global average pool of sequences, plain": (None, lambda L: L.GlobalAveragePooling1D()),
}


class Step(NamedTuple):
    """One entry of a graph's list.

    what   "layer", "again", "merge", "op", "graph" or "sequential"
    which  a name of LAYERS, MERGES or OPS; of "again" the step whose layer is called; of models their own Plan
    given  the numbers of the values that go in
    """

    what: str
    which: Any
    given: tuple[int, ...]


class Plan(NamedTuple):
    shapes: tuple  # of the inputs
    steps: list[Step]
    outputs: tuple[int, ...]


def applied(lib, step: Step, values: list, made: list, options: dict) -> list:
    """The new values of a step.  made: one layer per step so far, or None, to which this one's is added."""
    given = [values[i] for i in step.given]
    if step.what == "op":
        made.append(None)
        return [(OPS if len(given) == 1 else PAIRS)[step.which](*given)]
    layer = made[step.which] if step.what == "again" else _layer(lib, step, options)
    made.append(layer)
    y = layer(given if len(given) > 1 else given[0])
    return list(y) if isinstance(y, (list, tuple)) else [y]


def _layer(lib, step: Step, options: dict):
    if step.what == "layer":
        return (LAYERS | ENDS)[step.which][1](lib.layers)
    if step.what == "merge":
        return getattr(lib.layers, step.which)()
    if step.what == "graph":
        return built(lib, step.which, **options)
    layers: list = []
    for inner in step.which.steps:
        layers.append(_layer(lib, inner, options))
    return lib.Sequential([lib.Input(step.which.shapes[0]), *layers], **options)


def built(lib, plan: Plan, **options):
    """The model of a plan.  lib: minicnn or keras."""
    inputs = [lib.Input(shape) for shape in plan.shapes]
    values, made = list(inputs), []
    for step in plan.steps:
        values += applied(lib, step, values, made, options)
    outputs = [values[i] for i in plan.outputs]
    return lib.Model(inputs if len(inputs) > 1 else inputs[0], outputs if len(outputs) > 1 else outputs[0], **options)


class Draw:
    """The drawing of a plan: minicnn's symbols say what fits."""

    def __init__(self, rng, shapes, arithmetic: bool, depth: int = 0):
        self.rng, self.shapes, self.arithmetic, self.depth = rng, tuple(shapes), arithmetic, depth
        self.options = {"device": CPU("numpy_ref", "float64"), "seed": 0}
        self.values = [mc.Input(shape) for shape in self.shapes]
        self.steps: list[Step] = []
        self.made: list = []

    def add(self, what: str, which, *given: int, most: float = MOST) -> list[int] | None:
        """The numbers of a step's values; None where it does not fit."""
        step = Step(what, which, given)
        try:
            new = applied(mc, step, self.values, self.made, self.options)
        except MinicnnError:
            del self.made[len(self.steps) :]
            return None
        if any(np.prod(one.shape[1:]) > most or 0 in one.shape[1:] for one in new):
            del self.made[len(self.steps) :]
            return None
        self.steps.append(step)
        self.values += new
        return list(range(len(self.values) - len(new), len(self.values)))

    def pick(self, items):
        return items[int(self.rng.integers(len(items)))]

    def some_value(self) -> int:
        """Later ones more often."""
        n = len(self.values)
        return max(int(self.rng.integers(n)), int(self.rng.integers(n)))

    def layer(self, on: int) -> int | None:
        found = self.add("layer", self.pick(FITTING[self.values[on].ndim - 1]), on)
        return found and found[0]

    def same_shape(self, on: int) -> list[int]:
        return [i for i, one in enumerate(self.values) if one.shape == self.values[on].shape and i != on]

    def merge(self) -> None:
        on = self.some_value()
        others = self.same_shape(on)
        if others:
            self.add("merge", self.pick(MERGES), on, self.pick(others))

    def branches(self) -> None:
        """Two or three layers on one value, which meet again if their shapes agree."""
        on = self.some_value()
        ends = [end for _ in range(3) if (end := self.layer(on)) is not None]
        meeting = [end for end in ends if self.values[end].shape == self.values[ends[0]].shape]
        if len(meeting) > 1:
            self.add("merge", self.pick(("Add", "Concatenate", "Average", "Maximum")), *meeting)

    def residual(self) -> None:
        on = self.some_value()
        shape = self.values[on].shape[1:]
        if len(shape) == 3:
            mid = self.layer(on)
            if mid is not None and self.values[mid].shape == self.values[on].shape:
                self.add("merge", "Add", on, mid)
                return
        end = self.add("layer", {1: "prelu of vectors", 2: "spatial dropout of 0, of sequences", 3: "layer norm"}[
            len(shape)], on)  # fmt: skip
        if end:
            self.add("merge", "Add", on, end[0])

    def again(self) -> None:
        """A layer, or a model, at another place."""
        able = [i for i, step in enumerate(self.steps) if step.what in ("layer", "graph", "sequential")]
        if not able:
            return
        number = self.pick(able)
        shapes = [self.values[i].shape for i in self.steps[number].given]
        places = [[i for i, one in enumerate(self.values) if one.shape == shape] for shape in shapes]
        self.add("again", number, *(self.pick(place) for place in places))

    def model(self) -> None:
        on = [self.some_value()]
        if self.rng.random() < 0.4:
            shape, steps = self.values[on[0]].shape[1:], []
            inner = Draw(self.rng, [shape], False, self.depth + 1)
            last = 0
            for _ in range(int(self.rng.integers(1, 4))):
                new = inner.layer(last)
                last = last if new is None else new
            steps = inner.steps
            if steps:
                self.add("sequential", Plan((shape,), steps, (last,)), *on)
            return
        if self.rng.random() < 0.4:
            on.append(self.some_value())
        inner = Draw(self.rng, [self.values[i].shape[1:] for i in on], self.arithmetic, self.depth + 1)
        plan = inner.plan(int(self.rng.integers(2, 6)), heads=False)
        if plan is not None:
            self.add("graph", plan, *on)

    def op(self) -> None:
        on = self.some_value()
        others = self.same_shape(on)
        if others and self.rng.random() < 0.5:
            self.add("op", self.pick(list(PAIRS)), on, self.pick(others))
        else:
            self.add("op", self.pick(list(OPS)), on)

    def plan(self, moves: int, heads: bool = True) -> Plan | None:
        kinds = [lambda: self.layer(self.some_value())] * 4 + [self.merge, self.branches, self.residual, self.again]
        kinds += [self.model] * (2 if self.depth < 2 else 0) + [self.op] * self.arithmetic
        for _ in range(moves):
            self.pick(kinds)()
        used = {i for step in self.steps for i in step.given}
        loose = [i for i in range(len(self.values)) if i not in used and i >= len(self.shapes)]
        unread = [i for i in range(len(self.shapes)) if i not in used]
        ends = loose[:-4:-1] or [len(self.values) - 1]
        if not heads:
            if unread or not self.steps:
                return None
            return Plan(self.shapes, self.steps, tuple(ends[:2]))
        flat = [self._flat(i) for i in [*loose, *unread]] or [self._flat(len(self.values) - 1)]
        joined = self.add("merge", "Concatenate", *flat, most=np.inf)[0] if len(flat) > 1 else flat[0]
        outputs = [self.add("layer", "softmax out", self.add("layer", "tanh 4", joined)[0])[0]]
        if self.rng.random() < 0.5:
            outputs.append(self.add("layer", "tanh 4", self.pick(flat))[0])
        if self.rng.random() < 0.2:
            outputs.append(self.add("layer", "softmax out", outputs[-1])[0])
        return Plan(self.shapes, self.steps, tuple(outputs))

    def _flat(self, on: int) -> int:
        if self.values[on].ndim == 2:
            return on
        means = {3: "global average pool of sequences, plain", 4: "global average pool"}
        return self.add("layer", means[self.values[on].ndim] if self.rng.random() < 0.5 else "flatten", on)[0]


def drawn(seed: int) -> Plan:
    """The plan of a seed."""
    rng = np.random.default_rng(seed)
    shapes = [SHAPES[int(i)] for i in rng.integers(len(SHAPES), size=int(rng.choice([1, 1, 1, 2, 3])))]
    plan = Draw(rng, shapes, bool(rng.random() < 0.4)).plan(int(rng.integers(3, 12)))
    assert plan is not None
    return plan


def traits(plan: Plan) -> set[str]:
    """What a plan has of what graphs can have."""
    found = {"several inputs"} if len(plan.shapes) > 1 else set()
    found |= {"several outputs"} if len(plan.outputs) > 1 else set()
    names = {"again": "called twice", "op": "arithmetic", "merge": "merge", "graph": "graph as a layer",
             "sequential": "Sequential as a layer"}  # fmt: skip
    for step in plan.steps:
        found |= {names[step.what]} if step.what in names else set()
        if step.what == "again" and plan.steps[step.which].what != "layer":
            found.add("model called twice")
        if step.what in ("graph", "sequential"):
            found |= {"several outputs of a layer"} if len(step.which.outputs) > 1 else set()
            found |= traits(step.which) & {"graph as a layer", "Sequential as a layer", "arithmetic"}
    read = Counter(i for step in plan.steps for i in step.given)
    return found | ({"branches"} if any(n > 1 for n in read.values()) else set())


def layers_of(plan: Plan) -> set[str]:
    inner = [one for step in plan.steps if step.what in ("graph", "sequential") for one in layers_of(step.which)]
    return {step.which for step in plan.steps if step.what in ("layer", "merge")} | set(inner)


def described(plan: Plan, indent: str = "") -> str:
    count, lines = len(plan.shapes), [f"{indent}inputs {plan.shapes}"]
    for step in plan.steps:
        inner = step.what in ("graph", "sequential")
        lines.append(f"{indent}{count}: {step.what} {'' if inner else step.which} on {step.given}")
        lines += [described(step.which, indent + "    ")] if inner else []
        base = plan.steps[step.which] if step.what == "again" else step
        count += len(base.which.outputs) if base.what == "graph" else 1
    return "\n".join([*lines, f"{indent}outputs {plan.outputs}"])


# comparing ------------------------------------------------------------------------------------------------------------


def distance(ours, theirs, floor: float = 1e-12) -> float:
    """The largest difference in units of the largest number of theirs, or of floor."""
    if ours.shape != theirs.shape:
        raise AssertionError(f"shape {ours.shape}, Keras has {theirs.shape}")
    if not np.isfinite(theirs).all():
        raise AssertionError("Keras's numbers are not finite")
    return float(np.abs(ours - theirs).max(initial=0) / max(np.abs(theirs).max(initial=0), floor))


def listed(value) -> list:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def compared(keras, seed: int, folder: str) -> dict[str, float]:
    """Comparison -> error.  Raises what either library raises, and AssertionError where bytes or shapes differ."""
    plan, rng, numpy = drawn(seed), np.random.default_rng([seed, 1]), keras.ops.convert_to_numpy
    options = {"device": CPU("numpy_ref", "float64"), "seed": seed}
    ours, theirs = built(mc, plan, **options), built(keras, plan)
    shapes = [[tuple(w.shape) for w in m.weights] for m in (ours, theirs)]
    if shapes[0] != shapes[1]:
        raise AssertionError(f"weights {shapes[0]}, Keras has {shapes[1]}")
    # Keras's Normalization has a count, an integer that stays 0 in both: a fraction would be cut off.
    counts = [np.issubdtype(w.dtype, np.integer) for w in theirs.get_weights()]
    weights = [w if is_count else w + rng.uniform(0.05, 0.15, w.shape)
               for w, is_count in zip(ours.get_weights(), counts, strict=True)]  # fmt: skip
    ours.set_weights(weights)
    theirs.set_weights(weights)
    for layer in theirs._flatten_layers():
        if hasattr(layer, "finalize_state"):  # Normalization's constants are made of its weights by this alone
            layer.finalize_state()
    xs = [rng.normal(0, 0.5, (ROWS, *shape)) for shape in plan.shapes]
    ys = [np.eye(n)[np.arange(ROWS) % n] if n == 3 else rng.normal(0, 0.5, (ROWS, n))
          for n in (one.shape[-1] for one in listed(theirs.output))]  # fmt: skip
    x, y = (one if len(one) > 1 else one[0] for one in (xs, ys))
    losses = ["categorical_crossentropy" if one.shape[-1] == 3 else "mean_squared_error" for one in ys]
    losses = losses if len(losses) > 1 else losses[0]

    def outputs(a, b):
        mine = listed(a.predict(x, verbose=0))
        return max(distance(m, numpy(t)) for m, t in zip(mine, listed(b(x, training=False)), strict=True))

    found = {"outputs": outputs(ours, theirs)}
    ours.compile(mc.optimizers.SGD(RATE, momentum=MOMENTUM), losses)
    theirs.compile(keras.optimizers.SGD(RATE, momentum=MOMENTUM), losses)
    gradients = _gradients(ours, xs, ys)
    found["steps"] = 0.0
    for number in range(STEPS):
        before = [numpy(w).copy() for w in theirs.trainable_weights]
        loss = [np.ravel(model.train_on_batch(x, y))[0] for model in (ours, theirs)]
        after = theirs.get_weights()
        if number == 0:
            moved = [(a - numpy(b)) / RATE for a, b in zip(before, theirs.trainable_weights, strict=True)]
            largest = max((np.abs(g).max(initial=0) for g in moved), default=0)
            found["gradients"] = max([distance(a, b, 1e-3 * largest + 1e-9)
                                      for a, b in zip(gradients, moved, strict=True)], default=0.0)  # fmt: skip
        error = max([distance(a, b, 1.0) for a, b in zip(ours.get_weights(), after, strict=True)], default=0.0)
        found["steps"] = max(found["steps"], error, distance(*map(np.float64, loss), 1.0))
    for ending in (".keras", ".h5"):
        if ending == ".h5" and ("arithmetic" in traits(plan) or UNREADABLE & layers_of(plan)):
            continue
        path = os.path.join(folder, "ours" + ending)
        ours.save(path)
        kept = keras.saving.load_model(path, compile=ending == ".keras")
        _same_bytes(ours.get_weights(), kept.get_weights())
        errors = [outputs(ours, kept)]
        if ending == ".keras":
            _same_bytes([*ours.optimizer.get_state()["m"]], [numpy(v) for v in kept.optimizer.variables[2:]])
        path = os.path.join(folder, "theirs" + ending)
        theirs.save(path)
        read = mc.load_model(path, device=options["device"])
        _same_bytes(read.get_weights(), theirs.get_weights())
        errors.append(outputs(read, theirs))
        found["files"] = max([found.get("files", 0.0), *errors])
    read = mc.load_model(os.path.join(folder, "theirs.keras"), device=options["device"])
    loss = [np.float64(np.ravel(model.train_on_batch(x, y))[0]) for model in (read, theirs)]
    both = zip(read.get_weights(), theirs.get_weights(), strict=True)
    found["files, then a step"] = max([distance(*loss, 1.0), *(distance(a, b, 1.0) for a, b in both)])
    return found


def _gradients(model, xs, ys) -> list:
    """Of the trainable weights, by the tape."""
    be = model.backend
    for p in model.weights:
        p.grad = None
    with be.running():
        outputs = listed(model.forward([Tensor(x, be) for x in xs], training=True))
        total = None
        for loss, y, output in zip(model.output_losses, ys, outputs, strict=True):
            one = loss.reduce(loss.values(be.asarray(loss.prepare(y, output.shape[1:]), be.dtype), output))
            total = one if total is None else total + one
        for added in model.losses:  # by layers and regularizers
            total = total + added
        total.backward()
    model.moved()  # nothing has happened
    return [np.zeros(p.shape) if p.grad is None else be.to_numpy(p.grad) for p in model.trainable_weights]


def _same_bytes(ours, theirs) -> None:
    """Normalization's count, whole numbers in one of the two and floats in the other, is compared as numbers."""
    for a, b in zip(map(np.asarray, ours), map(np.asarray, theirs), strict=True):
        whole = "i" in a.dtype.kind + b.dtype.kind or "u" in a.dtype.kind + b.dtype.kind
        if not (np.array_equal(a, b) if whole else a.tobytes() == b.tobytes() and a.shape == b.shape):
            raise AssertionError("a file's weights differ")
