"""Time per layer, forward and backward: every op of one step by itself, on the model's own kernels."""

import copy
import functools
import time
from collections import defaultdict
from typing import Any

ROUNDS = 3  # the first of them may compile


def layer_times(model: Any, x: Any, y: Any) -> dict[str, tuple[float, float]]:
    """Layer -> (forward s, backward s) for images x with targets y as fit takes them, the least of three rounds.

    Ops run one by one here, so a step of fit, which runs neighbours as one kernel, takes less than their sum. On a GPU
    it is the time until a kernel has been handed over.
    """
    xs, ts = model.looked_at("layer_times", x, y)
    model.programs.refresh()
    be, best = model.backend, {}
    with model.guard, be.running():
        shapes = tuple(one.shape for one in xs), tuple(one.shape for one in ts)
        program = copy.copy(model.programs.inspection(*shapes, True))
        arrays, step = [be.asarray(a, be.dtype) for a in (*xs, *ts)], model.streams.step
        plain = program.unfused
        for _ in range(ROUNDS):
            spent: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
            program.unfused = [
                node._replace(op=_timed(node.op, spent[node.layer.name if node.layer else "loss"])) for node in plain
            ]
            program.record(be, arrays, step)
            for name, (forward, backward) in spent.items():
                least = best.get(name, (forward, backward))
                best[name] = min(least[0], forward), min(least[1], backward)
        model.moved()  # nothing has happened
    return best


def _timed(op, spent: list[float]):
    @functools.wraps(op)
    def run(be, *arrays, **static):
        began = time.perf_counter()
        y, vjp = op(be, *arrays, **static)
        spent[0] += time.perf_counter() - began

        def backward(dy, needs):
            began = time.perf_counter()
            given = vjp(dy, needs)
            spent[1] += time.perf_counter() - began
            return given

        return y, backward

    return run
