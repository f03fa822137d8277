"""SwapEMAWeights: evaluate with the moving averages of the weights, train with the weights."""

from collections.abc import Iterable
from typing import Any

from ..arguments import flag
from ..errors import ArgumentError, require
from .base import Callback, Logs


class SwapEMAWeights(Callback):
    """Weights and their moving averages change places before every evaluation and prediction, and back after it.

    swap_on_epoch: at the end of an epoch instead, for callbacks after this one (a ModelCheckpoint then keeps the
    averages), and back as the next one begins.  The optimizer needs use_ema=True.

    Source: Keras 3, callbacks/swap_ema_weights.py.
    """

    def __init__(self, swap_on_epoch: bool = False):
        super().__init__()
        self.swap_on_epoch = flag("SwapEMAWeights: swap_on_epoch", swap_on_epoch)

    def check_monitor(self, names: Iterable[str], others: bool = False) -> None:
        fix = "write use_ema=True in it"
        averages = getattr(self.model.optimizer, "use_ema", False)
        require(averages, "SwapEMAWeights", "an optimizer that keeps averages", "none", fix, error=ArgumentError)

    def get_state(self) -> dict[str, Any]:
        return {"swapped": self.model.optimizer.swapped}

    def set_state(self, state: dict[str, Any]) -> None:
        self.model.optimizer.swapped = bool(state["swapped"])

    def _swap(self, wanted: bool) -> None:
        if wanted != self.model.optimizer.swapped:
            with self.model.guard.changing():
                self.model.optimizer.swap_average()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        if not self.resumes_inside(epoch):
            self._swap(False)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.swap_on_epoch:
            self._swap(True)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        self.check_monitor(())
        if not self.swap_on_epoch:
            self._swap(True)

    def on_test_end(self, logs: Logs | None = None) -> None:
        if not self.swap_on_epoch:
            self._swap(False)

    on_predict_begin, on_predict_end = on_test_begin, on_test_end
