"""What an optimizer is: named state, one formula, one pass over a flat buffer that holds every trainable weight.

      weights     [ conv2d/kernel | conv2d/bias | ... | dense_1/bias ]     p      each parameter's data is a slice
      gradients   [      dw       |     db      | ... |      db      ]     g      backward writes into these slices
      slots       [                     m                            ]     m, v   zero at the start, or as stated

On the CPU a large gradient is not copied: it stays where backward left it, and its weights are stepped by a call of
their own. That is a read and a write of it less, a tenth of a step where dense layers hold most weights.
"""

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple

from ..arguments import Named, accepts, number, shown, text
from ..attributes import Guarded
from ..core.tensor import Parameter
from ..errors import ArgumentError, ArgumentTypeError, require
from ..notes import note

ALIGNMENT = 16  # floats: every parameter starts on a cache line
LARGE = 1 << 17  # floats: half a megabyte takes longer to copy than another call of the kernel


class _Run(NamedTuple):
    """Neighbours in the flat buffers that are stepped together; `owner`, alone, may have its gradient elsewhere."""

    flat: Any
    grad: Any
    slots: list  # in the order of the kernel's arguments
    owner: Parameter | None


class Optimizer(Named, Guarded):
    """Common step, in Keras's order: clip, decay the weights, update.

    learning_rate    a number >= 0, or a schedule: a function of the step from 0, or of nothing, read at every step
    weight_decay     lambda of p -= lambda lr p before the update (every weight, biases too)
    clipnorm         bound on each parameter's gradient norm;  global_clipnorm: on the norm of all;  clipvalue: on each
                     element. At most one of the three.
    """

    refused: ClassVar[dict[str, str]] = dict.fromkeys(
        ("use_ema", "ema_momentum", "ema_overwrite_frequency", "loss_scale_factor", "gradient_accumulation_steps"),
        "it does not exist here",
    )
    slots: tuple[str, ...] = ()
    start = 0.0  # what slots hold before the first step
    kernel: str | None = None  # the contract's kernel that is the whole update; None: a class writes `update`
    kernel_slots: tuple[str, ...] = ()  # the slots in the order of the kernel's arguments; one that is absent is None

    def __init__(self, learning_rate, weight_decay=None, clipnorm=None, clipvalue=None, global_clipnorm=None, name=None,
                 **old):  # fmt: skip
        kind = type(self).__name__
        if "lr" in old:
            learning_rate = old.pop("lr")
            note(f"{kind}(lr=...) is read as learning_rate=")
        if "decay" in old:
            fix = "pass a schedule as learning_rate, e.g. lambda step: 1e-3 / (1 + 1e-4 * step)"
            decay = old.pop("decay")
            nothing = decay is None or number(f"{kind}: decay", decay) == 0
            require(nothing, f"{kind}: decay", "0", shown(decay), fix, error=ArgumentError)
            note(f"{kind}(decay=0.0) is ignored")
        if old:
            names = ", ".join(map(repr, old))
            raise ArgumentTypeError(f"{kind}: expected arguments of the optimizer, received {names}")
        self.schedule: Callable[[int], float] | None = None
        self.learning_rate = learning_rate
        given = [c for c in (clipnorm, clipvalue, global_clipnorm) if c is not None]
        expected = "at most one of clipnorm, clipvalue, global_clipnorm"
        require(len(given) <= 1, kind, expected, f"{len(given)} of them", error=ArgumentError)
        self.weight_decay = number(f"{kind}: weight_decay", weight_decay, low=0, optional=True)
        self.clipnorm = number(f"{kind}: clipnorm", clipnorm, above=0, optional=True)
        self.clipvalue = number(f"{kind}: clipvalue", clipvalue, above=0, optional=True)
        self.global_clipnorm = number(f"{kind}: global_clipnorm", global_clipnorm, above=0, optional=True)
        self.name = text(f"{kind}: name", name, optional=True) or kind.lower()
        self.iterations = 0
        self.params: list[Parameter] = []
        self._views: list = []  # their data, as `build` placed it
        self.slot = SimpleNamespace()

    def __setattr__(self, name: str, value) -> None:
        held = vars(self)
        if name in ("momentum", "amsgrad", "centered") and "slots" in held and bool(held[name]) != bool(value):
            expected, fix = "a change that keeps the state that it has", "make a new optimizer"
            require(False, f"{type(self).__name__}: {name}", expected, repr(value), fix, error=ArgumentError)
        super().__setattr__(name, value)

    def kernel_args(self, lr: float, t: int) -> dict[str, float]:
        """The kernel's numbers at step t >= 1, by name, those that change from step to step first."""
        raise NotImplementedError

    def update(self, be, p, g, slot, lr: float, t: int) -> None:
        """Step the flat array p of all weights in place with gradient g at step t >= 1: once per step.

        For optimizers whose step is no kernel of the contract; the others declare `kernel` and `kernel_args` instead.
        """
        if self.kernel is None:
            raise NotImplementedError(f"{type(self).__name__}: declare `kernel` and `kernel_args`, or write `update`")
        slots = [getattr(slot, name, None) for name in self.kernel_slots]
        getattr(be, self.kernel)(p, g, *slots, **self.kernel_args(lr, t))

    @property
    def declared(self) -> bool:
        """Whether the update is its kernel and nothing else: it may run in parts, and from numbers on the device."""
        own = type(self).update is not Optimizer.update or "update" in vars(self)
        return self.kernel is not None and not own

    @property
    def learning_rate(self) -> float:
        """The rate of the next step."""
        return self._rate_at(self.iterations)

    def _rate_at(self, iterations: int) -> float:
        if self.schedule is None:
            return self._rate
        where = f"{type(self).__name__}: learning_rate of the schedule at step {iterations}"
        return number(where, self.schedule(iterations) if self._counts else self.schedule(), low=0)

    @learning_rate.setter
    def learning_rate(self, rate) -> None:
        where = f"{type(self).__name__}: learning_rate"
        if callable(rate) and not isinstance(rate, type):
            self.schedule, self._counts = rate, accepts(rate, 0)
            ok, fix = self._counts or accepts(rate), "write it as lambda step: ..."
            require(ok, where, "a function of the step, or of nothing", shown(rate), fix, error=ArgumentTypeError)
            return
        if isinstance(rate, (str, bytes)) or rate is None:
            require(False, where, "a number or a schedule", shown(rate), error=ArgumentTypeError)
        found = number(where, rate, low=0)
        require(self.schedule is None, where, "no assignment while a schedule sets it", rate, error=ArgumentTypeError)
        self._rate = found

    lr = learning_rate  # Keras 2

    def build(self, params: list[Parameter]) -> None:
        """Take over `params`: move their data into one flat buffer.  State that exists for a parameter is kept."""
        if [id(p) for p in params] == [id(p) for p in self.params] and self._owns_data():
            return
        be = params[0].be
        old = {id(p): {s: self._piece(getattr(self.slot, s), i) for s in self.slots} for i, p in enumerate(self.params)}
        self.offsets, end = [], 0
        for p in params:
            self.offsets.append(end)
            end += -(-p.data.size // ALIGNMENT) * ALIGNMENT
        self.be, self.params = be, list(params)
        self.flat, self.flat_grad = be.zeros(end), be.zeros(end)
        self.slot = SimpleNamespace(**{s: be.zeros(end) for s in self.slots})
        for slot in vars(self.slot).values():
            slot += self.start
        for i, p in enumerate(self.params):
            data = self._piece(self.flat, i).reshape(p.shape)
            data[...] = p.data
            p.data, p.grad_buffer, p.grad = data, self._piece(self.flat_grad, i).reshape(p.shape), None
            for s, values in old.get(id(p), {}).items():
                self._piece(getattr(self.slot, s), i)[...] = values
        self._views = [p.data for p in self.params]
        self._runs = list(self._divided(end))

    def _divided(self, end: int):
        """The flat buffers as runs: large parameters alone, the others between them together."""
        divisible = self.be.copy is None and self.declared
        start, edges = 0, []
        for p, offset in zip(self.params, self.offsets, strict=True):
            p.apart = divisible and p.data.size >= LARGE
            if p.apart:
                edges += [(start, offset, None), (offset, offset + p.data.size, p)]
                start = -(-edges[-1][1] // ALIGNMENT) * ALIGNMENT
        for a, b, owner in [*edges, (start, end, None)]:
            if a < b:
                slots = [self.slot.__dict__[s][a:b] if s in self.slots else None for s in self.kernel_slots]
                yield _Run(self.flat[a:b], self.flat_grad[a:b], slots, owner)

    def _piece(self, flat, i: int):
        """Parameter i's slice of a flat buffer."""
        return flat[self.offsets[i] : self.offsets[i] + self.params[i].data.size]

    def _owns_data(self) -> bool:
        """Whether no other optimizer has moved the parameters into its own buffer since."""
        return all(p.data is view for p, view in zip(self.params, self._views, strict=True))

    def numbers(self, iterations: int) -> list[float] | None:
        """What the step after so many sends to the device, in this order: the numbers of its kernel, and the decay.

        None: an `update` of its own, which cannot be run from a table of numbers.
        """
        if not self.declared:
            return None
        lr = self._rate_at(iterations)
        return [*map(float, self.kernel_args(lr, iterations + 1).values()), (self.weight_decay or 0.0) * lr]

    def apply(self, live=None) -> None:
        """One step with the gradients that backward left in the parameters, which are cleared.

        live: this step's `numbers` (R,) in device memory, for a step that a device runs by itself; then the caller
        counts the iterations.
        """
        gradients = self._gather()
        self._clip(on_device=live is not None)
        lr, t = (self.learning_rate, self.iterations + 1) if live is None else (0.0, 1)
        if self.weight_decay:
            self.flat -= self.flat * (self.weight_decay * lr if live is None else live[-1:])
        if self.declared:
            numbers = self.kernel_args(lr, t)
            if live is not None:
                numbers[next(iter(numbers))] = live
            kernel = getattr(self.be, self.kernel)
            for run, gradient in zip(self._runs, gradients, strict=True):
                kernel(run.flat, gradient, *run.slots, **numbers)
        else:
            self.update(self.be, self.flat, gradients[0], self.slot, lr, t)
        if live is None:
            self.iterations += 1

    def _gather(self) -> list:
        """The gradient of every run, and out of the parameters: in the flat buffer, except those that stay apart."""
        clips = self.clipnorm or self.clipvalue or self.global_clipnorm
        if self.be.copy is not None:
            self.be.copy([(p.grad_buffer, None if p.grad is None else self.be.asarray(p.grad)) for p in self.params])
        else:
            for p in self.params:
                if p.grad is None:
                    p.grad_buffer[...] = 0  # no path from the loss to this parameter
                elif clips or not p.apart:
                    p.grad_buffer[...] = p.grad
        gradients = []
        for run in self._runs:
            g = None if clips or run.owner is None else run.owner.grad
            gradients.append(run.grad if g is None else self.be.asarray(g, self.be.dtype).reshape(-1))
        for p in self.params:
            p.grad = None
        return gradients

    def _clip(self, on_device: bool = False) -> None:
        """on_device: without the host, which else takes the roots, in double."""
        xp, g = self.be.xp, self.flat_grad
        if self.clipvalue:
            xp.clip(g, -self.clipvalue, self.clipvalue, out=g)
        pieces = [g] if self.global_clipnorm else []
        if self.clipnorm:
            pieces = [self._piece(g, i) for i in range(len(self.params))]
        bound = self.global_clipnorm or self.clipnorm
        for piece in pieces:
            if on_device:
                piece *= bound / xp.maximum(xp.sqrt((piece * piece).sum()), bound)
            else:
                piece *= bound / max(math.sqrt(float(xp.vdot(piece, piece))), bound)

    def get_state(self) -> dict[str, list]:
        """Slot name -> one NumPy array per parameter, of its shape."""
        return {
            s: [self.be.to_numpy(self._piece(getattr(self.slot, s), i)).reshape(p.shape).copy()
                for i, p in enumerate(self.params)]
            for s in self.slots
        } if self.params else {}  # fmt: skip

    def set_state(self, params: list[Parameter], state: dict[str, list], iterations: int) -> None:
        """Take over `params` with the state of get_state, after so many steps."""
        self.build(params)
        for s in self.slots:
            for i, values in enumerate(state[s]):
                self._piece(getattr(self.slot, s), i)[...] = self.be.asarray(values, self.be.dtype).reshape(-1)
        self.iterations = iterations

    def __getstate__(self) -> dict:
        """For copies: no buffers, of whose slices a copy would not know that they belong together."""
        buffers = ("flat", "flat_grad", "slot", "offsets", "_views", "_runs")
        held = {name: value for name, value in vars(self).items() if name not in buffers}
        return held | {"state": self.get_state()}

    def __setstate__(self, state: dict) -> None:
        state, slots = dict(state), state["state"]
        del state["state"]
        vars(self).update(state, params=[], _views=[], slot=SimpleNamespace())
        if state["params"]:
            self.set_state(state["params"], slots, state["iterations"])

    def count_params(self) -> int:
        """Numbers of optimizer state, Keras's way: the slots, the step counter and the learning rate."""
        return len(self.slots) * sum(p.data.size for p in self.params) + 2

    def get_config(self) -> dict:
        """The constructor's arguments as plain values, for files."""
        common = {"learning_rate": self.learning_rate, "weight_decay": self.weight_decay, "clipnorm": self.clipnorm,
                  "clipvalue": self.clipvalue, "global_clipnorm": self.global_clipnorm}  # fmt: skip
        return common | {key: getattr(self, key) for key in self.config}

    config: tuple[str, ...] = ()


def fraction(where: str, value) -> float:
    """A number from 0 up to, but not including, 1: a decay rate of a moving average."""
    return number(where, value, low=0, below=1)
