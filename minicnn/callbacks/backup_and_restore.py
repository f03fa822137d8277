"""BackupAndRestore: a run that was interrupted goes on where it was, under Keras's name."""

import os

from ..errors import ArgumentError, require
from .base import Callback


class BackupAndRestore(Callback):
    """fit(checkpoint=backup_dir) as a callback: a checkpoint after every epoch, from which the same call goes on.

    save_freq          "epoch", or a number of steps: then after so many steps too
    double_checkpoint  the two newest are always kept, as with True
    delete_checkpoint  True: a run that has ended by itself leaves none, so the next fit begins anew

    Source: Keras 3, callbacks/backup_and_restore.py.
    Differs from Keras: the whole run is kept, with metrics, History and the state of every callback; another network,
    data or arguments are refused.
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike,
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ):
        super().__init__()
        counted = isinstance(save_freq, int) and not isinstance(save_freq, bool) and save_freq > 0
        expected = 'save_freq to be "epoch" or a positive number of steps'
        require(save_freq == "epoch" or counted, type(self).__name__, expected, repr(save_freq), error=ArgumentError)
        self.backup_dir, self.save_freq = os.fspath(backup_dir), save_freq
        require(bool(self.backup_dir), type(self).__name__, "backup_dir to name a folder", "''", error=ArgumentError)
        self.double_checkpoint, self.delete_checkpoint = bool(double_checkpoint), bool(delete_checkpoint)
