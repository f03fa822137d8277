"""Optimizer: named state, one formula, one pass over a flat buffer that holds every trainable weight.

      weights     [ conv2d/kernel | conv2d/bias | ... | dense_1/bias ]     p      each parameter's data is a slice
      gradients   [      dw       |     db      | ... |      db      ]     g      backward writes into these slices
      slots       [                     m                            ]     m, v   zero at the start, or as stated

On the CPU a large gradient is not copied: it stays where backward left it, and its weights are stepped by a call of
their own. That is a read and a write of it less, a tenth of a step where dense layers hold most weights.
"""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

from ..aliases import RateLike
from ..arguments import Named, accepts, flag, instance, listed, number, shown, text, whole
from ..attributes import Guarded
from ..core.tensor import Parameter
from ..errors import ArgumentError, ArgumentTypeError, require
from ..notes import note
from . import schedules
from .explicit import Explicit, Rate

ALIGNMENT = 16  # floats: every parameter starts on a cache line
LARGE = 1 << 17  # floats: half a megabyte takes longer to copy than another call of the kernel


class _Run(NamedTuple):
    """Neighbours in the flat buffers that are stepped together; `owner`, alone, may have its gradient elsewhere."""

    flat: Any
    grad: Any
    slots: tuple  # in the order of the kernel's
    owner: Parameter | None


# Arguments that are in a configuration where they are used.
_RARE = {"use_ema": False, "ema_momentum": 0.99, "ema_overwrite_frequency": None, "loss_scale_factor": None,
         "gradient_accumulation_steps": None, "decay": 0.0, "learning_rate_factors": None}  # fmt: skip
_SETTLED = ("momentum", "amsgrad", "centered", "use_ema", "gradient_accumulation_steps")  # they decide what is kept


class Phase(NamedTuple):
    """What a step does besides its arithmetic, which is the same in every step: a recorded one is of one kind."""

    updates: bool = True  # else its gradients are only added up
    copies: bool = False  # the moving average begins: it is the weights
    overwrites: bool = False  # the weights become their moving average


PLAIN = Phase()


class Optimizer(Explicit, Named, Guarded):
    """Common step, in Keras's order: add up, clip, decay the weights, update, average.

    learning_rate    a number >= 0, or a schedule: a function of the step from 0, or of nothing, read at every step
    weight_decay     lambda of p -= lambda lr p before the update (every weight, biases too, that
                     exclude_from_weight_decay has not named)
    clipnorm         bound on each parameter's gradient norm;  global_clipnorm: on the norm of all;  clipvalue: on each
                     element. At most one of the three.
    use_ema          keep average = b average + (1 - b) p of every weight, b = ema_momentum, p itself after the first
                     step. At the end of fit, and after every ema_overwrite_frequency updates, p = average.
    learning_rate_factors         {name: factor}: the steps of the weights in whose "layer/name" the expression is found
                     are so many times as long, as if their learning rate were: {"^dense/": 0.1, "bias$": 2.0}; of two
                     that fit, the later one counts
    gradient_accumulation_steps   k >= 2: only every k-th step updates, with the mean of k gradients
    loss_scale_factor             `apply` divides the gradients that it is given by it, see scale_loss; fit needs no
                     scale: its gradients are of float32 or wider
    decay            d of Keras 1 and 2: step n has the rate learning_rate / (1 + d n)

    `iterations` counts steps, also those that only add up. Formulas count updates, schedules and `decay` steps.

    Differs from Keras: decay works as in Keras 2, where Keras 3 ignores it; with gradient_accumulation_steps Keras's
    `iterations` counts updates; the name of a second Adam is adam too, there adam_1.
    """

    slots: tuple[str, ...] = ()
    start = 0.0  # what slots hold before the first step
    kernel: str | None = None  # the contract's kernel that is the whole update; None: a class writes `update`
    kernel_slots: tuple[str, ...] = ()  # the slots in the order of the kernel's; one that is absent is None

    def __init__(self, learning_rate: RateLike, weight_decay: float | None = None, clipnorm: float | None = None,
                 clipvalue: float | None = None, global_clipnorm: float | None = None, use_ema: bool = False,
                 ema_momentum: float = 0.99, ema_overwrite_frequency: int | None = None,
                 loss_scale_factor: float | None = None, gradient_accumulation_steps: int | None = None,
                 name: str | None = None, learning_rate_factors: dict[str, float] | None = None,
                 **old: Any):  # fmt: skip
        kind = type(self).__name__
        if "lr" in old:
            learning_rate = old.pop("lr")
            note(f"{kind}(lr=...) is read as learning_rate=")
        self.decay = number(f"{kind}: decay", old.pop("decay", None), low=0, optional=True) or 0.0
        if old:
            names = ", ".join(map(repr, old))
            raise ArgumentTypeError(f"{kind}: expected arguments of the optimizer, received {names}")
        self.schedule: Callable[..., Any] | None = None
        self.learning_rate = learning_rate
        given = [c for c in (clipnorm, clipvalue, global_clipnorm) if c is not None]
        expected = "at most one of clipnorm, clipvalue, global_clipnorm"
        require(len(given) <= 1, kind, expected, f"{len(given)} of them", error=ArgumentError)
        self.weight_decay = number(f"{kind}: weight_decay", weight_decay, low=0, optional=True)
        self.clipnorm = number(f"{kind}: clipnorm", clipnorm, above=0, optional=True)
        self.clipvalue = number(f"{kind}: clipvalue", clipvalue, above=0, optional=True)
        self.global_clipnorm = number(f"{kind}: global_clipnorm", global_clipnorm, above=0, optional=True)
        self.use_ema = flag(f"{kind}: use_ema", use_ema)
        self.ema_momentum = number(f"{kind}: ema_momentum", ema_momentum, low=0, high=1)
        where = f"{kind}: ema_overwrite_frequency"
        self.ema_overwrite_frequency = whole(where, ema_overwrite_frequency, optional=True)
        where = f"{kind}: gradient_accumulation_steps"
        self.gradient_accumulation_steps = whole(where, gradient_accumulation_steps, low=2, optional=True)
        self.loss_scale_factor = number(f"{kind}: loss_scale_factor", loss_scale_factor, above=0, optional=True)
        if loss_scale_factor is not None:
            note(f"{kind}(loss_scale_factor=...) has no effect on fit: its gradients are of float32 or wider")
        self.name = text(f"{kind}: name", name, optional=True) or kind.lower()
        self.learning_rate_factors = _factors(f"{kind}: learning_rate_factors", learning_rate_factors)
        self._scaled: list = []  # (number of a parameter, factor)
        self._excluded: list = []  # from weight decay: parameters and patterns of names
        self._decayed = None  # 1 for every number that decays, where some do not
        self.iterations, self.swapped = 0, False
        self.params: list[Parameter] = []
        self._views: list = []  # their data, as `build` placed it
        self.slot = SimpleNamespace()

    def __setattr__(self, name: str, value) -> None:
        held = vars(self)
        if name in _SETTLED and "slot" in held and name in held and bool(held[name]) != bool(value):
            expected, fix = "a change that keeps the state that it has", "make a new optimizer"
            require(False, f"{type(self).__name__}: {name}", expected, repr(value), fix, error=ArgumentError)
        super().__setattr__(name, value)

    def kernel_args(self, lr: float, t: int) -> dict[str, Any]:
        """The kernel's numbers at step t >= 1, or tuples of them, by name; what changes from step to step first."""
        raise NotImplementedError

    def update(self, be: Any, p: Any, g: Any, slot: Any, lr: float, t: int) -> None:
        """Step the flat array p of all weights in place with gradient g at step t >= 1: once per step.

        For optimizers whose step is no kernel of the contract; the others declare `kernel` and `kernel_args` instead.
        """
        if self.kernel is None:
            raise NotImplementedError(f"{type(self).__name__}: declare `kernel` and `kernel_args`, or write `update`")
        slots = tuple(getattr(slot, name, None) for name in self.kernel_slots)
        getattr(be, self.kernel)(p, g, slots, **self.kernel_args(lr, t))

    @property
    def declared(self) -> bool:
        """Whether the update is its kernel and nothing else: it may run in parts, and from numbers on the device."""
        own = type(self).update is not Optimizer.update or "update" in vars(self)
        return self.kernel is not None and not own

    @property
    def kept(self) -> tuple[str, ...]:
        """All state of a parameter, in Keras's order: its moving average, its gradients so far, `slots`."""
        extra = ("average",) * self.use_ema + ("accumulated",) * (self.gradient_accumulation_steps is not None)
        return extra + self.slots

    def start_of(self, slot: str) -> float:
        """What this state is before the first step."""
        return self.start if slot in self.slots else 0.0

    def phase(self, iterations: int) -> Phase:
        """What the step after so many does besides its arithmetic."""
        each = self.gradient_accumulation_steps
        if not (self.use_ema or each):
            return PLAIN
        updates, every = iterations // (each or 1), self.ema_overwrite_frequency
        last = each is None or (iterations + 1) % each == 0
        overwrites = self.use_ema and every is not None and (updates + 1) % every == 0
        return Phase(last, self.use_ema and updates == 0, overwrites)

    @property
    def learning_rate(self) -> Rate:
        """The rate of the next step; where there is a `decay`, what it is a part of."""
        return Rate(self._rate if self.schedule is None else self._rate_at(self.iterations), self)

    def _rate_at(self, iterations: int) -> float:
        if self.schedule is None:
            return self._rate / (1 + self.decay * iterations) if self.decay else self._rate
        where = f"{type(self).__name__}: learning_rate of the schedule at step {iterations}"
        return number(where, self.schedule(iterations) if self._counts else self.schedule(), low=0)

    @learning_rate.setter
    def learning_rate(self, rate: RateLike) -> None:
        where = f"{type(self).__name__}: learning_rate"
        if isinstance(rate, dict) and "class_name" in rate:  # of get_config
            rate = schedules.deserialize(rate)
        if callable(rate) and not isinstance(rate, type):
            self.schedule, self._counts = rate, accepts(rate, 0)
            ok, fix = self._counts or accepts(rate), "write it as lambda step: ..."
            require(ok, where, "a function of the step, or of nothing", shown(rate), fix, error=ArgumentTypeError)
            fix = "leave out decay, or the schedule"
            require(not self.decay, where, "a number beside decay", "a schedule", fix, error=ArgumentError)
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
        params = [instance(f"{type(self).__name__}.build", p, Parameter, "weights") for p in params]
        if not params:
            return
        be = params[0].be
        old = {id(p): {s: self._piece(getattr(self.slot, s), i) for s in self.kept} for i, p in enumerate(self.params)}
        self.offsets, end = [], 0
        for p in params:
            self.offsets.append(end)
            end += -(-p.data.size // ALIGNMENT) * ALIGNMENT
        self.be, self.params = be, list(params)
        self.flat, self.flat_grad = be.zeros(end), be.zeros(end)
        self.slot = SimpleNamespace(**{s: be.zeros(end) for s in self.kept})
        for name, slot in vars(self.slot).items():
            slot += self.start_of(name)
        for i, p in enumerate(self.params):
            data = self._piece(self.flat, i).reshape(p.shape)
            data[...] = p.data
            p.data, p.grad_buffer, p.grad = data, self._piece(self.flat_grad, i).reshape(p.shape), None
            for s, values in old.get(id(p), {}).items():
                self._piece(getattr(self.slot, s), i)[...] = values
        self._views = [p.data for p in self.params]
        self._runs = list(self._divided(end))
        self._decayed = self._mask(end) if self._excluded else None
        self._scaled = self._factored() if self.learning_rate_factors else []

    def _divided(self, end: int):
        """The flat buffers as runs: large parameters alone, the others between them together."""
        divisible = self.be.blend is None and self.declared and self.gradient_accumulation_steps is None
        start, edges = 0, []
        for p, offset in zip(self.params, self.offsets, strict=True):
            p.separate_update = divisible and p.data.size >= LARGE
            if p.separate_update:
                edges += [(start, offset, None), (offset, offset + p.data.size, p)]
                start = -(-edges[-1][1] // ALIGNMENT) * ALIGNMENT
        for a, b, owner in [*edges, (start, end, None)]:
            if a < b:
                slots = tuple(self.slot.__dict__[s][a:b] if s in self.slots else None for s in self.kernel_slots)
                yield _Run(self.flat[a:b], self.flat_grad[a:b], slots, owner)

    def exclude_from_weight_decay(self, var_list: Iterable[Parameter] | None = None,
                                  var_names: Iterable[str] | None = None) -> None:  # fmt: skip
        """Name the weights that `weight_decay` leaves alone, before the first step.

        var_list: parameters;  var_names: expressions that are searched for in names like "kernel" and "bias"
        """
        where = f"{type(self).__name__}: exclude_from_weight_decay"
        fix = "call it right after the optimizer is made"
        require(not self.params, where, "an optimizer before its first step", "a later one", fix, error=ArgumentError)
        found = listed(f"{where}: var_list", () if var_list is None else var_list, "weights")
        for one in found:
            instance(f"{where}: var_list", one, Parameter, "weights")
        names = listed(f"{where}: var_names", () if var_names is None else var_names, "names")
        try:
            found += [re.compile(text(f"{where}: var_names", one)) for one in names]
        except re.error as cause:
            received = f"{names!r} ({cause})"
            require(False, f"{where}: var_names", "regular expressions", received, error=ArgumentError)
        self._excluded = found

    def _mask(self, end: int):
        """1 for every number of a weight that decays."""
        mask = self.be.zeros(end)
        for i, p in enumerate(self.params):
            name = p.path.rpartition("/")[2]
            if not any(one.search(name) if isinstance(one, re.Pattern) else one is p for one in self._excluded):
                self._piece(mask, i)[...] = 1
        return mask

    def _factored(self) -> list[tuple[int, float]]:
        """(number of a parameter, its factor) for those that have one; the last name that is found counts."""
        found: dict[int, float] = {}
        for pattern, factor in (self.learning_rate_factors or {}).items():
            here = {i: factor for i, p in enumerate(self.params) if re.search(pattern, p.path)}
            if not here:
                note(f"{type(self).__name__}: learning_rate_factors: {pattern!r} is in the name of no trainable weight")
            found |= here
        return sorted(found.items())

    def _piece(self, flat, i: int):
        """Parameter i's slice of a flat buffer."""
        return flat[self.offsets[i] : self.offsets[i] + self.params[i].data.size]

    def _owns_data(self) -> bool:
        """Whether no other optimizer has moved the parameters into its own buffer since."""
        return all(p.data is view for p, view in zip(self.params, self._views, strict=True))

    def device_args(self, iterations: int) -> list[float] | None:
        """What the step after so many sends to the device, in this order: the numbers of its kernel, and the decay.

        None: an `update` of its own, which cannot be run from a table of numbers.
        """
        if not self.declared:
            return None
        lr, t = self._rate_at(iterations), iterations // (self.gradient_accumulation_steps or 1) + 1
        several = (n if isinstance(n, tuple) else (n,) for n in self.kernel_args(lr, t).values())
        return [*(float(number) for numbers in several for number in numbers), (self.weight_decay or 0.0) * lr]

    def step(self, device_args: Any = None, phase: Phase | None = None, averages: Sequence[tuple] = (),
             idle: Sequence[int] = ()) -> None:  # fmt: skip
        """One step with the gradients that backward left in the parameters, which are cleared.

        averages: what the backend's `blend` moves in the same launch.
        idle: numbers of the parameters that stay as they are, with their state.

        device_args: the result of `device_args` for this step, (R,) in device memory, for a step that a device runs by
        itself; then the caller counts the iterations, and says which `phase` the step is of.
        """
        if phase is None:
            phase = self.phase(self.iterations) if self.use_ema or self.gradient_accumulation_steps else PLAIN
        gradients = self._gather(averages)
        if self.gradient_accumulation_steps:
            self._accumulate(phase.updates)
        if phase.updates and idle:
            buffers = [self.flat, *(getattr(self.slot, s) for s in self.slots)]
            pieces = [self._piece(buffer, i) for i in idle for buffer in buffers]
            kept = [piece.copy() for piece in pieces]
            self._update(gradients, device_args)
            for piece, values in zip(pieces, kept, strict=True):
                piece[...] = values
        elif phase.updates:
            self._update(gradients, device_args)
        if self.use_ema:
            self._average(phase)
        if device_args is None:
            self.iterations += 1

    def _accumulate(self, last: bool) -> None:
        """Add this step's gradients to those before; the last of a group becomes their mean, and they begin anew."""
        total = self.slot.accumulated
        total += self.flat_grad
        if last:
            self.flat_grad[...] = total
            self.flat_grad /= self.gradient_accumulation_steps
            total[...] = 0.0

    def _average(self, phase: Phase) -> None:
        average = self.slot.average
        if phase.copies:
            average[...] = self.flat
        else:
            average *= self.ema_momentum
            average += (1.0 - self.ema_momentum) * self.flat
        if phase.overwrites:
            self.flat[...] = average

    def end_training(self) -> None:
        """What happens to the weights at the end of fit: with use_ema they become their moving averages."""
        if self.use_ema and self.iterations and self.params:
            into, values = (self.slot.average, self.flat) if self.swapped else (self.flat, self.slot.average)
            into[...] = values
            self.swapped = False

    def swap_average(self) -> None:
        """Weights and their moving averages change places; before the first step there are none."""
        if self.iterations and self.params:
            kept = self.flat.copy()
            self.flat[...] = self.slot.average
            self.slot.average[...] = kept
            self.swapped = not self.swapped

    def _update(self, gradients: list, device_args) -> None:
        if self.clipnorm or self.clipvalue or self.global_clipnorm:
            self._clip(on_device=device_args is not None)
        before = [self._piece(self.flat, i).copy() for i, _ in self._scaled] if self._scaled else ()
        lr, t = 0.0, 1
        if device_args is None:
            lr, t = self._rate_at(self.iterations), self.iterations // (self.gradient_accumulation_steps or 1) + 1
        if self.weight_decay:
            decay = self.weight_decay * lr if device_args is None else device_args[-1:]
            self.flat -= self.flat * (decay if self._decayed is None else self._decayed * decay)
        if self.declared:
            numbers = self.kernel_args(lr, t)
            if device_args is not None:
                numbers[next(iter(numbers))] = device_args
            kernel = getattr(self.be, str(self.kernel))
            for run, gradient in zip(self._runs, gradients, strict=True):
                kernel(run.flat, gradient, run.slots, **numbers)
        else:
            self.update(self.be, self.flat, gradients[0], self.slot, lr, t)
        for (i, factor), start in zip(self._scaled, before, strict=True):
            piece = self._piece(self.flat, i)
            piece -= start
            piece *= factor
            piece += start

    def _gather(self, averages=()) -> list:
        """Every run's gradient, taken out of the parameters: in the flat buffer, or where it is (`separate_update`)."""
        clips = self.clipnorm or self.clipvalue or self.global_clipnorm
        if self.be.blend is not None:
            self.be.blend([(p.grad_buffer, p.grad) for p in self.params if p.grad is not p.grad_buffer], averages)
        else:
            for p in self.params:
                if p.grad is None:
                    p.grad_buffer[...] = 0  # no path from the loss to this parameter
                elif clips or not p.separate_update:
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
        bound = self.global_clipnorm or self.clipnorm or math.inf
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
            for s in self.kept
        } if self.params else {}  # fmt: skip

    def set_state(self, params: list[Parameter], state: dict[str, list], iterations: int) -> None:
        """Take over `params` with the state of get_state, after so many steps."""
        self.build(params)
        for s in self.kept:
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
        return len(self.kept) * sum(p.data.size for p in self.params) + 2

    def get_config(self) -> dict:
        """The constructor's arguments as plain values, for files; a schedule that is a function stays one."""
        schedule = self.schedule
        ours = isinstance(schedule, schedules.LearningRateSchedule)
        rate = schedules.serialize(schedule) if ours else schedule or float(self.learning_rate)
        common = {"learning_rate": rate, "weight_decay": self.weight_decay, "clipnorm": self.clipnorm,
                  "clipvalue": self.clipvalue, "global_clipnorm": self.global_clipnorm}  # fmt: skip
        rare = {name: getattr(self, name) for name, default in _RARE.items() if getattr(self, name) != default}
        return common | rare | {key: getattr(self, key) for key in self.config}

    @classmethod
    def from_config(cls, config: dict) -> "Optimizer":
        """The optimizer that get_config described, without its state."""
        return cls(**instance(f"{cls.__name__}.from_config: config", config, dict, "a dict"))

    config: tuple[str, ...] = ()


def _factors(where: str, given) -> dict[str, float] | None:
    """Names, or expressions that are searched for in them, and a number for each."""
    if given is None:
        return None
    instance(where, given, dict, "a dict from names of weights to factors")
    found = {}
    for name, factor in given.items():
        try:
            re.compile(text(f"{where}: name", name))
        except re.error as cause:
            require(False, f"{where}: name", "a regular expression", f"{name!r} ({cause})", error=ArgumentError)
        found[name] = number(f"{where}: of {name}", factor, low=0)
    return found


def fraction(where: str, value: Any) -> float:
    """A number from 0 up to, but not including, 1: a decay rate of a moving average."""
    return number(where, value, low=0, below=1)
