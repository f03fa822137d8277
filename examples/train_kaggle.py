"""Kaggle's Digit Recognizer with one command: look at the data, train, look at the errors, write the submission.

    python examples/train_kaggle.py                            the documented settings (recipe A, kaggle_bn)
    python examples/train_kaggle.py --limit 2000 --epochs 1    a rehearsal
    python examples/train_kaggle.py --help                     every option

The same as `python -m minicnn train`. What it does, step by step: run() in minicnn/commands/recipe.py.
"""

import sys

from minicnn.commands import train

if __name__ == "__main__":
    sys.exit(train.main(prog="train_kaggle"))
