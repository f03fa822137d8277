"""What every worker does: read one JSON request per line, answer with one JSON line, until the input ends.

A worker script defines a class and calls serve(TheClass). The class is made from the settings and has

      describe() -> dict              versions and thread counts
      train(steps) -> (s, loss)       an epoch of that many batches: seconds per step, and the loss it reports
      predict() -> s                  all prediction images, in batches of 1,000
      agree(optimizer, learning_rate) -> [loss, ...]
                                      training losses of the first batches, without dropout, from the given weights
"""

import json
import os
import sys
import time
import traceback

import numpy as np


class Problem:
    """The data and settings that all workers share: images, one-hot labels, initial weights in Keras's order."""

    def __init__(self, settings: dict):
        with np.load(settings["data"], allow_pickle=False) as data:
            self.x, self.y, self.x_predict = data["x"], data["y"], data["x_predict"]
            self.weights = [data[f"w{i}"] for i in range(settings["weights"])]
        self.batch_size = settings["batch_size"]
        self.agreement_steps = settings["agreement_steps"]

    def batches(self):
        """The agreement phase's batches, in order."""
        for i in range(self.agreement_steps):
            rows = slice(i * self.batch_size, (i + 1) * self.batch_size)
            yield self.x[rows], self.y[rows]


def peak_memory() -> int:
    """The most resident memory this process has had, bytes."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def serve(peer_class) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    peer = None
    for line in sys.stdin:
        request = json.loads(line)
        what, start = request.pop("what"), time.perf_counter()
        try:
            if what == "start":
                peer = peer_class(Problem(request), **request["options"])
                answer = peer.describe() | {"python": sys.version.split()[0]}
            else:
                answer = {"answer": getattr(peer, what)(**request)}
        except ImportError as error:
            answer = {"missing": str(error)}
        except Exception:
            answer = {"error": traceback.format_exc()}
        spent = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time()}
        print(json.dumps(answer | spent | {"peak_memory": peak_memory()}), file=answers, flush=True)
