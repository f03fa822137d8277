"""Learning-rate schedules: the rate as a function of the number of steps already made, under Keras's names.

    Adam(CosineDecay(1e-3, decay_steps=10_000))

s = step, from 0; r0 = initial_learning_rate; a rate has no unit, steps are counted over the model's life.

Source: Keras 3.15, optimizers/schedules. SGDR: Loshchilov and Hutter, 2017 (arXiv 1608.03983). OneCycle, which Keras
has not: Smith and Topin, 2017 (arXiv 1708.07120), with PyTorch's arguments.
Differs from Keras: computed in double precision.
"""

import math
from collections.abc import Sequence

from ..arguments import Configured, deserialized, flag, listed, named, number, scalar, serialized, text
from ..errors import ArgumentError, one_of, require

__all__ = [
    "CosineDecay", "CosineDecayRestarts", "ExponentialDecay", "InverseTimeDecay", "LearningRateSchedule", "OneCycle",
    "PiecewiseConstantDecay", "PolynomialDecay", "deserialize", "serialize",
]  # fmt: skip


class LearningRateSchedule(Configured):
    """A function of the step that an optimizer takes as learning_rate.  Derive from it and write `__call__(step)`."""

    def __call__(self, step: int) -> float:
        raise NotImplementedError

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.get_config().items() if k != 'name')})"


class ExponentialDecay(LearningRateSchedule):
    """r0 * decay_rate ** (s / decay_steps); staircase: the exponent is rounded down."""

    def __init__(self, initial_learning_rate: float, decay_steps: float, decay_rate: float, staircase: bool = False,
                 name: str = "ExponentialDecay"):  # fmt: skip
        where = type(self).__name__
        self.initial_learning_rate = number(f"{where}: initial_learning_rate", initial_learning_rate, low=0)
        self.decay_steps = number(f"{where}: decay_steps", decay_steps, above=0)
        self.decay_rate = number(f"{where}: decay_rate", decay_rate, low=0)
        self.staircase, self.name = flag(f"{where}: staircase", staircase), text(f"{where}: name", name)

    def __call__(self, step: int) -> float:
        step = _count(step)
        return self.initial_learning_rate * self.decay_rate ** _periods(step, self.decay_steps, self.staircase)


class InverseTimeDecay(LearningRateSchedule):
    """r0 / (1 + decay_rate * s / decay_steps); staircase: the quotient is rounded down.

    With decay_steps = 1 this is `decay=` of the optimizers of Keras 1 and 2.
    """

    def __init__(self, initial_learning_rate: float, decay_steps: float, decay_rate: float, staircase: bool = False,
                 name: str = "InverseTimeDecay"):  # fmt: skip
        where = type(self).__name__
        self.initial_learning_rate = number(f"{where}: initial_learning_rate", initial_learning_rate, low=0)
        self.decay_steps = number(f"{where}: decay_steps", decay_steps, above=0)
        self.decay_rate = number(f"{where}: decay_rate", decay_rate, low=0)
        self.staircase, self.name = flag(f"{where}: staircase", staircase), text(f"{where}: name", name)

    def __call__(self, step: int) -> float:
        step = _count(step)
        return self.initial_learning_rate / (1 + self.decay_rate * _periods(step, self.decay_steps, self.staircase))


class PiecewiseConstantDecay(LearningRateSchedule):
    """values[i] while s <= boundaries[i], the last value afterwards; one boundary less than values."""

    def __init__(self, boundaries: Sequence[float], values: Sequence[float], name: str = "PiecewiseConstant"):
        where = type(self).__name__
        self.boundaries = [number(f"{where}: boundaries", b) for b in listed(f"{where}: boundaries", boundaries)]
        self.values = [number(f"{where}: values", v, low=0) for v in listed(f"{where}: values", values)]
        expected = f"{len(self.values) - 1} boundaries, one less than values"
        require(len(self.boundaries) == len(self.values) - 1, where, expected, len(self.boundaries),
                error=ArgumentError)  # fmt: skip
        rising = self.boundaries == sorted(set(self.boundaries))
        require(rising, f"{where}: boundaries", "rising numbers", self.boundaries, error=ArgumentError)
        self.name = text(f"{where}: name", name)

    def __call__(self, step: int) -> float:
        step = _count(step)
        return self.values[sum(step > b for b in self.boundaries)]


class PolynomialDecay(LearningRateSchedule):
    """(r0 - end) * (1 - s / decay_steps) ** power + end, and `end` from decay_steps on.

    cycle: instead of staying at `end`, decay_steps grows to its next multiple that s has not passed.
    """

    def __init__(self, initial_learning_rate: float, decay_steps: float, end_learning_rate: float = 0.0001,
                 power: float = 1.0, cycle: bool = False, name: str = "PolynomialDecay"):  # fmt: skip
        where = type(self).__name__
        self.initial_learning_rate = number(f"{where}: initial_learning_rate", initial_learning_rate, low=0)
        self.decay_steps = number(f"{where}: decay_steps", decay_steps, above=0)
        self.end_learning_rate = number(f"{where}: end_learning_rate", end_learning_rate, low=0)
        self.power = number(f"{where}: power", power)
        self.cycle, self.name = flag(f"{where}: cycle", cycle), text(f"{where}: name", name)

    def __call__(self, step: int) -> float:
        step = _count(step)
        whole = self.decay_steps
        if self.cycle:
            whole *= max(math.ceil(step / self.decay_steps), 1)
        left = 1 - min(step, whole) / whole
        return (self.initial_learning_rate - self.end_learning_rate) * left**self.power + self.end_learning_rate


class CosineDecay(LearningRateSchedule):
    """r0 * ((1 - alpha) * (1 + cos(pi s / decay_steps)) / 2 + alpha), and r0 * alpha from decay_steps on.

    warmup_target: the rate first rises in a line from r0 to it, in warmup_steps, and decays from there.
    """

    def __init__(self, initial_learning_rate: float, decay_steps: float, alpha: float = 0.0, name: str = "CosineDecay",
                 warmup_target: float | None = None, warmup_steps: float = 0):  # fmt: skip
        where = type(self).__name__
        self.initial_learning_rate = number(f"{where}: initial_learning_rate", initial_learning_rate, low=0)
        self.decay_steps = number(f"{where}: decay_steps", decay_steps, above=0)
        self.alpha, self.name = number(f"{where}: alpha", alpha), text(f"{where}: name", name)
        self.warmup_target = None if warmup_target is None else number(f"{where}: warmup_target", warmup_target, low=0)
        self.warmup_steps = number(f"{where}: warmup_steps", warmup_steps, low=0)

    def __call__(self, step: int) -> float:
        step = _count(step)
        top, low = self.warmup_target, self.initial_learning_rate
        if top is None:
            return low * _cosine(min(step / self.decay_steps, 1), self.alpha)
        if step < self.warmup_steps:
            return low + (top - low) * step / self.warmup_steps
        return top * _cosine(min((step - self.warmup_steps) / self.decay_steps, 1), self.alpha)


class CosineDecayRestarts(LearningRateSchedule):
    """CosineDecay that begins again: the i-th period lasts first_decay_steps * t_mul^i, from the rate r0 * m_mul^i."""

    def __init__(self, initial_learning_rate: float, first_decay_steps: float, t_mul: float = 2.0, m_mul: float = 1.0,
                 alpha: float = 0.0, name: str = "SGDRDecay"):  # fmt: skip
        where = type(self).__name__
        self.initial_learning_rate = number(f"{where}: initial_learning_rate", initial_learning_rate, low=0)
        self.first_decay_steps = number(f"{where}: first_decay_steps", first_decay_steps, above=0)
        self.t_mul = number(f"{where}: t_mul", t_mul, low=1)
        self.m_mul, self.alpha = number(f"{where}: m_mul", m_mul, low=0), number(f"{where}: alpha", alpha)
        self.name = text(f"{where}: name", name)

    def __call__(self, step: int) -> float:
        step = _count(step)
        period, begin, length = 0, 0.0, self.first_decay_steps
        if self.t_mul == 1:
            period = step // length
            begin = period * length
        while step >= begin + length:
            period, begin, length = period + 1, begin + length, length * self.t_mul
        cosine = self.m_mul**period * _cosine((step - begin) / length, 0.0)
        return self.initial_learning_rate * ((1 - self.alpha) * cosine + self.alpha)


class OneCycle(LearningRateSchedule):
    """From max_lr / div_factor up to max_lr, and down to max_lr / div_factor / final_div_factor, where it stays.

    total_steps        steps of both parts;  pct_start: the share of them in which the rate rises: it is highest in step
                       pct_start total_steps - 1, from 0, and lowest from step total_steps - 1 on
    anneal_strategy    "cos": along half a cosine each way;  "linear": in a line each way
    """

    def __init__(self, max_lr: float, total_steps: float, pct_start: float = 0.3, anneal_strategy: str = "cos",
                 div_factor: float = 25.0, final_div_factor: float = 1e4, name: str = "OneCycle"):  # fmt: skip
        where = type(self).__name__
        self.max_lr = number(f"{where}: max_lr", max_lr, low=0)
        self.total_steps = number(f"{where}: total_steps", total_steps, above=0)
        self.pct_start = number(f"{where}: pct_start", pct_start, low=0, high=1)
        self.anneal_strategy = one_of(f"{where}: anneal_strategy", anneal_strategy, ("cos", "linear"))
        self.div_factor = number(f"{where}: div_factor", div_factor, above=0)
        self.final_div_factor = number(f"{where}: final_div_factor", final_div_factor, above=0)
        self.name = text(f"{where}: name", name)

    def __call__(self, step: int) -> float:
        step = _count(step)
        top, first = self.max_lr, self.max_lr / self.div_factor
        rising, last = self.pct_start * self.total_steps - 1, self.total_steps - 1
        if step < rising:
            return self._between(first, top, step / rising)
        done = (step - rising) / (last - rising) if step < last else 1.0
        return self._between(top, first / self.final_div_factor, min(done, 1.0))

    def _between(self, start: float, end: float, done: float) -> float:
        left = _cosine(done, 0.0) if self.anneal_strategy == "cos" else 1 - done
        return end + (start - end) * left


@named
def serialize(schedule: LearningRateSchedule) -> dict:
    """Keras's description of a schedule as plain values."""
    return serialized("optimizers.schedules", schedule)


@named
def deserialize(config: dict, custom_objects: dict | None = None) -> LearningRateSchedule:
    """The schedule that `serialize` described.  custom_objects: name -> class of yours."""
    known = {c.__name__: c for c in LearningRateSchedule.__subclasses__() if c.__module__ == __name__}
    return deserialized("schedules.deserialize", config, known, custom_objects)


def _count(step):
    """A step as a number: a tensor or a weight may hold it."""
    return scalar(step.numpy() if hasattr(step, "numpy") else step)


def _cosine(done: float, alpha: float) -> float:
    """From 1 to alpha along half a cosine, while `done` goes from 0 to 1."""
    return (1 - alpha) * (1 + math.cos(math.pi * done)) / 2 + alpha


def _periods(step: int, length: float, staircase: bool) -> float:
    return step // length if staircase else step / length
