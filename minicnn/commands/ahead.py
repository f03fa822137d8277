"""Compile the kernels of a recipe's first step beside the process that trains it; started by that one.

    python -m minicnn.commands.ahead RECIPE OPTIONS BATCH_SIZE THREADS K N

OPTIONS: the network's, as JSON. THREADS: 0 for all cores. K of N processes are at it.
"""

import dataclasses
import json
import sys

import numpy as np

import minicnn
from minicnn.backend import compiling
from minicnn.recipes import BY_NAME

from .digits import one_hot, scaled
from .recipe import compiled, feed


def main(argv: list[str] | None = None) -> int:
    name, options, batch_size, threads, k, n = sys.argv[1:] if argv is None else argv
    recipe = dataclasses.replace(BY_NAME[name], batch_size=int(batch_size))
    model = compiled(recipe.build(minicnn, **json.loads(options), threads=int(threads) or None), recipe)
    x, y = np.zeros((recipe.batch_size, 28, 28, 1), np.uint8), np.arange(recipe.batch_size) % 10
    generator = minicnn.data.ImageDataGenerator(**recipe.augmentation, rescale=1 / 255)

    def step():
        with np.errstate(all="ignore"):
            model.fit(**feed(recipe, generator, x, y), validation_data=(scaled(x), one_hot(y)), epochs=1, verbose=0)
            model.predict(scaled(x), verbose=0)

    compiling.ahead(step, int(k), int(n))
    return 0


if __name__ == "__main__":
    sys.exit(main())
