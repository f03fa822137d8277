"""BackupAndRestore: a run that was interrupted goes on where it was, under Keras's name."""

import os

from ..arguments import flag, index, path, shown
from ..errors import ArgumentError, require
from .base import Callback


class BackupAndRestore(Callback):
    """fit(checkpoint=backup_dir) as a callback: a checkpoint after every epoch, from which the same call goes on.

    save_freq          "epoch", or a number of steps: then after so many steps too
    double_checkpoint  the two newest are always kept, as with True
    delete_checkpoint  True: a run that has ended by itself leaves none, so the next fit begins anew

    Source: Keras 3, callbacks/backup_and_restore.py.
    Differs from Keras: the whole run is kept, with metrics, History and the state of every callback; another network,
    data or arguments are refused; the directory stays, without a checkpoint.
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike,
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ):
        super().__init__()
        where = "BackupAndRestore: "
        self.save_freq = save_freq if isinstance(save_freq, str) else index(save_freq)
        ok = self.save_freq == "epoch" or (isinstance(self.save_freq, int) and self.save_freq > 0)
        expected = '"epoch" or a positive number of steps'
        require(ok, where + "save_freq", expected, shown(save_freq), error=ArgumentError)
        self.backup_dir = path(where + "backup_dir", backup_dir)
        self.double_checkpoint = flag(where + "double_checkpoint", double_checkpoint)
        self.delete_checkpoint = flag(where + "delete_checkpoint", delete_checkpoint)
