"""The programs of a model: its step and its prediction, each written down for a batch size and run from then on.

A program holds the network as it was. `described` is all that it was made from; where a callback or a user has changed
any of it (frozen a layer, set a rate, replaced a `call`), the programs are made anew.
"""

from ..core.program import Program, Trace
from ..core.tensor import Tensor, no_grad
from ..layers.base import OWN
from ..ops.block import RULES

MOST = 64  # programs that are kept, the latest: of a few KiB each


class Programs:
    """Programs by what they are for.  They know a model's layers and follow its weights wherever those are."""

    def __init__(self, model):
        self.model, self.made, self.described = model, {}, None
        self.kept: dict = {}  # a layer's id -> what kernels have made of its weights, for all programs

    def __getstate__(self) -> dict:
        return {"model": self.model, "made": {}, "kept": {}, "described": None}  # a copy of a model writes down its own

    def refresh(self) -> None:
        """Forget the programs of a network that has changed."""
        found = described(self.model)
        if found != self.described:
            self.made, self.kept, self.described = {}, {}, found

    def training(self, x_shape, t_shape, w_shape=None) -> Program:
        """The step on batches of such shapes: forward, loss, and what backward needs."""
        return self._kept(("step", x_shape, t_shape, w_shape), self._step)

    def prediction(self, x_shape, logits: bool) -> Program:
        """The outputs, or the last layer's logits, without gradients."""
        return self._kept(("prediction", x_shape, logits), self._prediction)

    def outline(self, x_shape) -> Program:
        """The step without its loss, which a model that is not compiled has none of: to be looked at, not to be run."""
        return self._kept(("outline", x_shape), self._outline)

    def _reduced(self, trace: Trace, y: Tensor, t: Tensor, w: Tensor | None = None) -> Tensor:
        """The loss of outputs, or logits, y: op by op if it says that it can be, else one node on the tape."""
        loss, logits = self.model.loss, self.model.fused

        def reduced(y, t, w):
            return loss.reduce(loss.values(t, y, logits=logits), w)

        def on_arrays(y, t, w):
            return reduced(y, t.data, None if w is None else w.data)

        return reduced(y, t, w) if loss.traced else trace.on_tape(on_arrays, (y, t, w), ())

    def inspection(self, x_shape, t_shape, training: bool) -> Program:
        """Forward as predict or as a step runs it and, given t_shape, the loss and all gradients, the input's too.

        To be recorded, op by op. Where the loss is computed from logits, the outputs that they stand for follow aside.
        """
        return self._kept(("inspection", x_shape, t_shape, training), self._inspection)

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
            x, t = trace.input(x_shape), trace.input(t_shape)
            w = None if w_shape is None else trace.input(w_shape)
            y = model.forward(x, training=True, logits=model.fused)
            value = self._reduced(trace, y, t, w)
            averages = [moved for layer in model.leaves if layer not in trace.taped for moved in layer.moved()]
            return self._program(trace, (x, t) if w is None else (x, t, w), y, value, averages)

    def _inspection(self, x_shape, t_shape, training) -> Program:
        model, loss = self.model, self.model.loss if t_shape is not None else None
        logits = loss is not None and model.fused
        with Trace(model.backend, model.weights) as trace:
            x = trace.input(x_shape)
            x.requires_grad = loss is not None
            t = None if loss is None else trace.input(t_shape)
            y = model.forward(x, training=training, logits=logits)
            model.moved()  # nothing has happened
            value = None
            if loss is not None:
                value = self._reduced(trace, y, t)
            if logits:  # outputs: the last layer's name belongs to what predict gives
                at = [slot for _, slot in trace.outputs].index(trace.slot(y))
                trace.layer = trace.outputs[at][0]
                trace.outputs[at] = (trace.layer, trace.slot(trace.layer.activation(y)))
            return Program(trace, (x,) if t is None else (x, t), y, value)

    def _outline(self, x_shape) -> Program:
        with Trace(self.model.backend, self.model.weights) as trace:
            x = trace.input(x_shape)
            y = self.model.forward(x, training=True)
            for layer in self.model.leaves:
                layer.moved()  # nothing has happened
            return self._program(trace, (x,), y, y)

    def _prediction(self, x_shape, logits) -> Program:
        with no_grad(), Trace(self.model.backend, self.model.weights) as trace:
            x = trace.input(x_shape)
            program = self._program(trace, (x,), self.model.forward(x, training=False, logits=logits))
        for node in program.nodes:
            if "kept" in node.static:
                node.static["kept"] = self.kept.setdefault(node.inputs[1], {})
        return program

    def _program(self, trace, inputs, last: Tensor, loss=None, averages=()) -> Program:
        model = self.model
        return Program(trace, inputs, last, loss, averages, model.trainable, RULES, model.backend.fused)


def described(model) -> tuple:
    """What a program is made from, besides shapes.  Arrays are not compared: programs follow their parameters."""
    layers = [
        (id(layer), layer.trainable, layer.traced, [getattr(layer, key) for key in layer.config],
         {name: value for name, value in vars(layer).items() if name in OWN})
        for layer in model.leaves
    ]  # fmt: skip
    loss = model.loss and (id(model.loss), dict(vars(model.loss)), model.fused)
    return layers, [(id(p), p.requires_grad) for p in model.weights], loss, model.trainable
