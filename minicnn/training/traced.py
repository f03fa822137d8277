"""The programs of a model: one per batch size for its training step and for its prediction, recorded once.

A program holds the network as it was. `described` is all that it was made from; where a callback or a user has changed
any of it (frozen a layer, set a rate, replaced a `call`), the programs are made anew.
"""

import functools
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.program import Program, Trace
from ..core.tensor import Tensor, no_grad
from ..layers.base import OWN
from ..ops.block import RULES

if TYPE_CHECKING:
    from .trainer import Trainer

MOST = 64  # programs that are kept, the latest: of a few KiB each


class Written(NamedTuple):
    """Nodes of core/program.py, unfused.  inputs, outputs: slots, and beside them shapes of one sample.

    params     slot -> weight;  constants: slot -> array, or None
    taped      layers that are one node, of which nobody knows what it calls
    """

    nodes: list
    params: dict
    constants: list
    inputs: list[int]
    input_shapes: list[tuple]
    outputs: list[int]
    output_shapes: list[tuple]
    taped: list


class Programs:
    """Programs by what they are for.  They know a model's layers and follow its weights wherever those are."""

    def __init__(self, model: "Trainer"):
        self.model, self.made, self.described = model, {}, None
        self.kept: dict = {}  # a layer's id -> what kernels have made of its weights, for all programs

    def __getstate__(self) -> dict:
        return {"model": self.model, "made": {}, "kept": {}, "described": None}  # a copy of a model writes down its own

    def refresh(self) -> None:
        """Forget the programs of a network that has changed."""
        found = described(self.model)
        if found != self.described:
            self.made, self.kept, self.described = {}, {}, found

    def training(self, x_shape: Any, t_shape: Any, w_shape: Any = None) -> Program:
        """The step on batches of such shapes: forward, loss, and what backward needs.

        Of several inputs or outputs: tuples of shapes, of weights None where an output has none.
        """
        return self._kept(("step", x_shape, t_shape, w_shape), self._step)

    def prediction(self, x_shape: Any, logits: Any) -> Program:
        """The outputs, or the last layer's logits, without gradients.  logits: a flag, or one for each output."""
        flags = logits and (True if logits is True else any(logits) and tuple(logits))
        return self._kept(("prediction", x_shape, flags), self._prediction)

    def outline(self, x_shape: Any) -> Program:
        """The step without its loss, which a model that is not compiled has none of: to be looked at, not to be run."""
        return self._kept(("outline", x_shape), self._outline)

    def _reduced(self, trace: Trace, y, ts, ws, added) -> tuple[Tensor, list[Tensor]]:
        """The loss of outputs, or logits, y, with what regularizers added; and of several outputs each one's own.

        Op by op where a loss says that it can be, else one node on the tape.
        """
        model, parts, scaled = self.model, [], []
        ys = y if isinstance(y, list) else [y]
        for loss, scale, logits, *one in zip(model.output_losses, model.scales, model.fusing, ys, ts, ws, strict=True):
            if loss is None:
                continue

            def reduced(y, t, w, loss=loss, logits=logits):
                return loss.reduce(loss.values(t, y, logits=logits), w)

            def on_arrays(y, t, w, reduced=reduced):
                return reduced(y, t.data, None if w is None else w.data)

            parts.append(reduced(*one) if loss.traced else trace.on_tape(on_arrays, one, ()))
            scaled.append(parts[-1] if scale == 1 else parts[-1] * scale)
        return functools.reduce(lambda a, b: a + b, [*scaled, *added]), parts if len(ys) > 1 else []

    def inspection(self, x_shape: Any, t_shape: Any, training: bool) -> Program:
        """Forward as predict or as a step runs it and, given t_shape, the loss and all gradients, the input's too.

        To be recorded, op by op. Where the loss is computed from logits, the outputs that they stand for follow aside.
        """
        return self._kept(("inspection", x_shape, t_shape, training), self._inspection)

    def written(self, rows: int, size: int) -> "Written":
        """The network at inference on so many rows, op by op, for whoever says it in another language.

        size: of axes that the model leaves open, a number more for each further one.
        """
        model = self.model
        shapes = [tuple(size + i if n is None else n for i, n in enumerate(shape)) for shape in model.samples_in]
        with no_grad(), model.streams.inference(), Trace(model.backend, model.weights) as trace:
            xs = [trace.input((rows, *shape)) for shape in shapes]
            ys = model.forward(xs, training=False)
            ys = ys if isinstance(ys, list) else [ys]
            return Written(trace.nodes, trace.params, trace.constants, [*map(trace.slot, xs)], [*map(tuple, shapes)],
                           [*map(trace.slot, ys)], [tuple(y.shape[1:]) for y in ys], trace.taped)  # fmt: skip

    def _kept(self, key, make) -> Program:
        made = self.made  # another thread may forget them
        program = made.get(key)
        if program is None:
            for oldest in list(made)[: len(made) - MOST + 1]:
                made.pop(oldest, None)
            program = made[key] = make(*key[1:])
        return program

    def _step(self, x_shape, t_shape, w_shape) -> Program:
        model = self.model
        with Trace(model.backend, model.weights) as trace:
            xs, ts = ([*map(trace.input, _several(shapes))] for shapes in (x_shape, t_shape))
            ws = [None] * len(ts) if w_shape is None else [s and trace.input(s) for s in _several(w_shape)]
            y, added = model.penalties(partial(model.forward, xs, training=True, logits=model.fusing))
            value, parts = self._reduced(trace, y, ts, ws, added)
            given = [*xs, *ts, *(w for w in ws if w is not None)]
            averages = [moved for layer in model.leaves if layer not in trace.taped for moved in layer.moved()]
            program = self._program(trace, given, y, value, averages, parts)
            program.restraints = [both for layer in model.leaves for both in layer.restraints()]
            return program

    def _inspection(self, x_shape, t_shape, training) -> Program:
        model, learns = self.model, t_shape is not None and self.model.loss is not None
        draws = nullcontext() if training else model.streams.inference()
        with draws, Trace(model.backend, model.weights) as trace:
            xs = [*map(trace.input, _several(x_shape))]
            ts = [*map(trace.input, _several(t_shape))] if learns else []
            for x in xs:
                x.requires_grad = learns
            flags = model.fusing if learns else (False,) * len(model.ends)
            walk = partial(model.forward, xs, training=training, logits=flags)
            y, added = model.penalties(walk) if learns else (walk(), [])
            model.moved()  # nothing has happened
            value, parts = self._reduced(trace, y, ts, [None] * len(ts), added) if learns else (None, [])
            for flag, one in zip(flags, y if isinstance(y, list) else [y], strict=True):
                if flag:  # outputs: the last layer's name belongs to what predict gives
                    at = [slot for _, slot in trace.outputs].index(trace.slot(one))
                    trace.layer = trace.outputs[at][0]
                    trace.outputs[at] = (trace.layer, trace.slot(trace.layer.activation(one)))
            return Program(trace, (*xs, *ts), y, value, parts=parts)

    def _outline(self, x_shape) -> Program:
        with Trace(self.model.backend, self.model.weights) as trace:
            xs = [*map(trace.input, _several(x_shape))]
            y = self.model.forward(xs, training=True)
            loss: Any = y[0] if isinstance(y, list) else y
            for layer in self.model.leaves:
                layer.moved()  # nothing has happened
            return self._program(trace, xs, y, loss)

    def _prediction(self, x_shape, logits) -> Program:
        model = self.model
        with no_grad(), model.streams.inference(), Trace(model.backend, model.weights) as trace:
            xs = [*map(trace.input, _several(x_shape))]
            program = self._program(trace, xs, model.forward(xs, training=False, logits=logits))
        for node in program.nodes:
            if "kept" in node.static:
                node.static["kept"] = self.kept.setdefault(node.inputs[1], {})
        return program

    def _program(self, trace, inputs, last, loss=None, averages=(), parts=()) -> Program:
        model = self.model
        return Program(trace, inputs, last, loss, averages, model.trainable, RULES, model.backend.fused, parts)


def _several(shapes) -> tuple:
    """A tuple of shapes, of which some may be None, from one or from such a tuple."""
    return (shapes,) if all(isinstance(n, int) for n in shapes) else shapes


def described(model: "Trainer") -> tuple:
    """What a program is made from, besides shapes.  Arrays are not compared: programs follow their parameters."""
    layers = [
        (id(layer), layer.trainable, layer.traced, [getattr(layer, key) for key in layer.config],
         {name: value for name, value in vars(layer).items() if name in OWN},
         [(key, id(one), dict(getattr(one, "__dict__", ()))) for key, one in layer.bounds().items()])
        for layer in model.leaves
    ]  # fmt: skip
    losses = zip(model.output_losses, model.fusing, strict=True)
    loss = [(id(one), one and dict(vars(one)), flag) for one, flag in losses]
    loss = loss and (loss, model.scales)
    return layers, [(id(p), p.requires_grad) for p in model.weights], loss, model.trainable, model.ranks is not None
