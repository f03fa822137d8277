"""What happens beside training: a signal stops it in good order, a watch takes each epoch's time."""

import os
import signal
import threading
import time

from minicnn.callbacks import Callback


class StopOnSignal(Callback):
    """The first Ctrl-C or SIGTERM ends training after the batch at hand; a second one, or one before it, aborts."""

    number = 0  # of the signal
    training = False

    def __enter__(self):
        here = threading.current_thread() is threading.main_thread()  # Python allows handlers nowhere else
        self.before = {n: signal.signal(n, self.receive) for n in (signal.SIGINT, signal.SIGTERM) if here}
        return self

    def __exit__(self, *_):
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def on_train_begin(self, logs=None):
        self.training = True

    def receive(self, number, frame):
        again, self.number = self.number, number
        if again or not self.training:
            raise KeyboardInterrupt
        self.model.stop_training = True
        os.write(2, b"\nStopping; the outputs are written first. Ctrl-C aborts at once.\n")


class Stopwatch(Callback):
    """`epochs`: seconds of each one, its validation included; `training`: of all."""

    def on_train_begin(self, logs=None):
        self.epochs, self.training, self.began = [], 0.0, time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        total = time.perf_counter() - self.began
        self.epochs.append(total - self.training)
        self.training = total
