"""What checkpoints cost: network A's epochs with and without them, in turns.

    python benchmarks/checkpoint.py                       5 rounds of an epoch of 37,800 images: 3 minutes on 2 cores
    python benchmarks/checkpoint.py --rows 3784 --rounds 3    a rehearsal

An epoch with checkpoints writes one at its end, as by default, and what a minute's would cost is stated beside it: the
time of one write over the 60 s between two. Images are scikit-learn's digits, repeated: speed does not depend on them.
"""

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import minicnn

TARGET = 0.01  # of training time
FEW = 20  # steps, with a checkpoint after each and without


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=37_800)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    recipe = minicnn.recipes.kaggle_bn
    x, y = minicnn.data.digits.load_data()
    rows = np.arange(options.rows) % len(x)
    flow = minicnn.data.ImageDataGenerator(**recipe.augmentation, rescale=1 / 255).flow(
        x[rows], minicnn.to_categorical(y[rows], 10), recipe.batch_size
    )
    model = recipe.build(minicnn, seed=0, device=options.device)
    model.compile(recipe.make_optimizer(minicnn), "categorical_crossentropy", metrics=["accuracy"])
    print(f"{model.backend.describe()}; {options.rows:,} images, {len(flow)} steps", flush=True)
    plain, kept, writes = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        model.fit(flow, epochs=1, steps_per_epoch=3, verbose=0)  # compiles

        numbers = itertools.count()

        def seconds(every=None, **how):
            """A fit, with checkpoints at a new place unless `every` (seconds between two) is None."""
            place = Path(folder, str(next(numbers)))
            kept = None if every is None else minicnn.CheckpointOptions(place, save_every=every)
            began = time.perf_counter()
            model.fit(flow, epochs=1, verbose=0, checkpoint=kept, **how)
            return time.perf_counter() - began

        for _ in range(options.rounds):
            plain.append(seconds())
            kept.append(seconds(60.0))
            few, all_of_them = (seconds(every, steps_per_epoch=FEW) for every in (1e9, 0.0))
            writes.append((all_of_them - few) / FEW)
            print(f"without {plain[-1]:.2f} s, with {kept[-1]:.2f} s, one {writes[-1] * 1e3:.0f} ms", flush=True)
        size = max(path.stat().st_size for path in Path(folder).rglob("*.minicnn"))
    epoch, one = statistics.median(plain), statistics.median(writes)
    print(f"an epoch {epoch:.2f} s, with checkpoints {statistics.median(kept):.2f} s (medians; the digest of the data, "
          f"once per fit, is in it)")  # fmt: skip
    print(f"one checkpoint of {size / 1e6:.1f} MB takes {one * 1e3:.0f} ms")
    share = one / epoch + one / 60
    print(f"at every epoch's end and every 60 s: {share:.2%} of training time, {TARGET:.0%} allowed")
    return int(share > TARGET)


if __name__ == "__main__":
    sys.exit(main())
