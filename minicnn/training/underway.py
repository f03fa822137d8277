"""The state of an unfinished epoch, as a model carries it from one fit, or one file, to the next."""

from typing import Any

from ..errors import ArgumentTypeError, DataError, require
from ..io import tree
from . import identity
from .inputs import Arrays

ARRAYS = "underway/"


class Underway:
    """`step` steps of an epoch over rows of this `identity` are done; `logs` are its running means, or None.

    A fit over the same rows in the same batches does the steps that are left, as its first epoch. `epoch` is its number
    in the fit that began it, which says where it stands in a pass that is longer than an epoch: see Arrays.places.
    """

    def __init__(self, step: int, digest: str, logs: dict | None, epoch: int):
        self.step, self.identity, self.logs, self.epoch = step, digest, logs, epoch

    def state(self) -> tuple[dict, dict]:
        """Plain values and arrays, for files."""
        try:
            logs, arrays = tree.flatten(self.logs, "save", ARRAYS)
        except ArgumentTypeError:  # of a metric of the user's: the epoch's means begin anew
            logs, arrays = None, {}
        return {"step": self.step, "identity": self.identity, "epoch": self.epoch, "logs": logs}, arrays

    def left(self) -> "Underway | None":
        """What remains when fit is left: where it stands."""
        return self

    @classmethod
    def of(cls, state: Any, arrays: dict, where: str) -> "Underway":
        """From what a file holds; its arrays are taken out of `arrays`."""
        ok = isinstance(state, dict) and type(state.get("step")) is int and 0 < state["step"] < 2**53
        ok = ok and isinstance(state.get("identity"), str)
        ok = ok and type(state.get("epoch")) is int and 0 <= state["epoch"] < 2**53
        require(ok, where, "the place in an epoch", f"{state!r:.80}", error=DataError)
        own = {name: arrays.pop(name) for name in [n for n in arrays if n.startswith(ARRAYS)]}
        logs = tree.restore(state.get("logs"), own, where)
        require(logs is None or isinstance(logs, dict), where, "running means", f"{logs!r:.80}", error=DataError)
        return cls(state["step"], state["identity"], logs, state["epoch"])


class Now(Underway):
    """The epoch that fit is in: everything is found out when somebody asks."""

    def __init__(self, source: Any, steps: int | None, shuffle: bool, logs: Any, epoch: int):
        self._source, self._steps, self._shuffle, self._logs, self.epoch = source, steps, shuffle, logs, epoch

    step = property(lambda self: self._logs.step)  # type: ignore[assignment]
    identity = property(lambda self: identity.of_epoch(self._source, self._steps, self._shuffle))  # type: ignore
    logs = property(lambda self: self._logs.get_state())  # type: ignore[assignment]

    def left(self) -> Underway | None:
        """What remains when fit is left in its middle, without the data; None: nothing to go on from."""
        there = self.step > 0 and isinstance(self._source, Arrays)
        return Underway(self.step, self.identity, self.logs, self.epoch) if there else None
