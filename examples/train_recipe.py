"""One of the five documented systems with one command: train it as published, hold its figure beside the published one.

    python examples/train_recipe.py lenet_16_36
    python examples/train_recipe.py valid_conv --seed 0 1 2      three runs, each in a folder of its own
    python examples/train_recipe.py --help                       every option

The same as `python -m minicnn recipe`. What it does, step by step: run() in minicnn/commands/recipe.py.
"""

import sys

from minicnn.commands import recipe

if __name__ == "__main__":
    sys.exit(recipe.main(prog="train_recipe"))
