"""What every worker does: read one JSON request per line, answer with one JSON line, until the input ends.

A worker script defines a class and calls serve(TheClass). The class is made from a Problem and its options and has

      ways                         names of its ways to augment
      describe() -> dict           versions and thread counts
      train(steps, way) -> (s, loss)      seconds per step, without augmentation (way None) or with it
      augment(batches, way) -> s or None  seconds per batch of augmentation alone; None: not to be had apart
      predict(batch_size) -> s     all prediction images
      agree(learning_rate) -> [loss, ...]
                                   training losses of the first batches, without dropout, from the given weights
"""

import json
import os
import sys
import time
import traceback

import numpy as np

WARM_UP = 3  # steps of an epoch before the clock starts: iterators and queues are set up
PASSES = 0.5  # seconds of a sample of augmentation alone: some batches take .2 ms, and waking a thread half as long


def seconds_per_batch(one_pass, batches: int) -> float:
    """Of passes over `batches` batches, after one that is not timed, until PASSES seconds are over."""
    one_pass()
    start, passes = time.perf_counter(), 0
    while passes == 0 or time.perf_counter() - start < PASSES:
        one_pass()
        passes += 1
    return (time.perf_counter() - start) / (passes * batches)


class Problem:
    """What all workers share: a recipe, uint8 images, one-hot labels, initial weights in Keras's order."""

    def __init__(self, settings: dict):
        from minicnn import recipes

        self.recipe = recipes.BY_NAME[settings["recipe"]]
        with np.load(settings["data"], allow_pickle=False) as data:
            self.images, self.y = data["images"], data["y"]
            self.weights = [data[f"w{i}"] for i in range(settings["weights"])]
        self.x = self.images.astype(np.float32) / 255
        self.agreement_steps, self.predicted = settings["agreement_steps"], settings["predicted"]

    def rows(self, batches: int) -> slice:
        """The rows of so many batches."""
        count = batches * self.recipe.batch_size
        assert count <= len(self.images), f"expected at most {len(self.images)} rows, received {count}"
        return slice(0, count)

    @property
    def x_predict(self):
        return np.resize(self.x, (self.predicted, *self.x.shape[1:]))

    def batches(self):
        """The agreement phase's batches, in order."""
        size = self.recipe.batch_size
        for start in range(0, self.agreement_steps * size, size):
            yield self.x[start : start + size], self.y[start : start + size]


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
                answer = peer.describe() | {"python": sys.version.split()[0], "ways": peer.ways}
            else:
                answer = {"answer": getattr(peer, what)(**request)}
        except ImportError as error:
            answer = {"missing": str(error)}
        except Exception:
            answer = {"error": traceback.format_exc()}
        spent = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time()}
        print(json.dumps(answer | spent | {"peak_memory": peak_memory()}), file=answers, flush=True)
