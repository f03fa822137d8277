"""How many Python calls one training step makes, in minicnn and its kernels, and where.

    python benchmarks/python_calls.py               the five networks at their published batch sizes
    python benchmarks/python_calls.py --networks A --most 20

Counted are the profiler's "call" events of functions in files of minicnn and kernels, as the difference of two fits of
unlike length: what a fit costs once is not in it. Between two steps of small networks Python is most of the time, and
after a step's last kernel the caches hold nothing of it.
"""

import argparse
import collections
import gc
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
NETWORKS = {"A": "kaggle_bn", "B": "kaggle_rmsprop", "C": "zero_padding_bn", "D": "lenet_16_36", "E": "valid_conv"}
FEW, MANY = 4, 14  # steps of the two fits


def calls(model, x, y, batch_size) -> collections.Counter:
    """(file, function) -> calls during one fit."""
    found, parts = collections.Counter(), (str(ROOT / "minicnn"), str(ROOT / "kernels"))

    def seen(frame, event, _):
        if event == "call" and frame.f_code.co_filename.startswith(parts):
            path = Path(frame.f_code.co_filename).relative_to(ROOT)
            found[f"{path}:{frame.f_code.co_qualname}"] += 1

    gc.collect()  # what others have left would be counted while it goes
    gc.disable()
    sys.setprofile(seen)
    try:
        model.fit(x, y, batch_size=batch_size, epochs=1, verbose=0)
    finally:
        sys.setprofile(None)
        gc.enable()
    return found


def of_a_step(name: str, batch_size: int | None = None) -> collections.Counter:
    """(file:function) -> calls per step of a network, averaged over MANY - FEW steps."""
    import minicnn

    recipe = minicnn.recipes.BY_NAME[NETWORKS[name]]
    batch_size = batch_size or recipe.batch_size
    rng = np.random.default_rng(0)
    x = rng.random((MANY * batch_size, 28, 28, 1)).astype(np.float32)
    y = np.eye(10, dtype=np.float32)[rng.integers(0, 10, len(x))]
    model = recipe.build(minicnn, seed=1)
    model.compile(recipe.make_optimizer(minicnn), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[: 2 * batch_size], y[: 2 * batch_size], batch_size=batch_size, verbose=0)  # compiles
    few, many = (calls(model, x[: n * batch_size], y[: n * batch_size], batch_size) for n in (FEW, MANY))
    return collections.Counter({what: (many[what] - few[what]) / (MANY - FEW) for what in many})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--most", type=int, default=0, help="list so many functions")
    options = parser.parse_args()
    for name in options.networks:
        found = of_a_step(name, options.batch_size)
        print(f"{name}: {sum(found.values()):.0f} Python calls in a training step")
        for what, count in found.most_common(options.most):
            print(f"    {count:6.1f}  {what}")


if __name__ == "__main__":
    main()
