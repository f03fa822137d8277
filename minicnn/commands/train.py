"""Kaggle's Digit Recognizer with one command: look at the data, train, look at the errors, write the submission.

    python -m minicnn train                            the documented settings (recipe A, kaggle_bn)
    python -m minicnn train --limit 2000 --epochs 1    a rehearsal
    python -m minicnn train --recipe mnist_record      a network that aims higher, and its submission (record.py)

Data: --data, else $MINICNN_DATA/kaggle, else ./data, each with train.csv and test.csv, plain or .gz; else the 1,797
digits that come with scikit-learn (10 epochs, batch 32).
A checkpoint is written every minute and after every epoch, in OUT/checkpoints: killed at any moment, the same command
goes on where it was and ends with the same bytes; --fresh begins anew. Ctrl-C, SIGTERM or --time-limit stop after the
batch at hand, with a checkpoint and everything else written.
Exit codes: 0; 2 bad input or a missing device; 3 a checkpoint could not be written; 130 after Ctrl-C, 143 after
SIGTERM.

What happens stands in recipe.py, for this recipe and the four others. In a checkout,
`python examples/train_kaggle.py` is the same program.
"""

import argparse
import contextlib
import io
import sys

from minicnn.records import BY_NAME

from . import record
from .digits import GET, find_folder
from .options import parser
from .recipe import execute

# The published settings need about 1,000 steps before batch norm's moving averages are usable; 1,437 images give few.
EPOCHS, BATCH_SIZE, MOMENTUM = 10, 32, 0.9


def main(argv: list[str] | None = None, prog: str = "minicnn train") -> int:
    words = sys.argv[1:] if argv is None else argv
    other = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    other.add_argument("--recipe", default="kaggle_bn")
    chosen, rest = argparse.Namespace(recipe="kaggle_bn"), words
    with contextlib.suppress(SystemExit), contextlib.redirect_stderr(io.StringIO()):  # the parser below says it
        chosen, rest = other.parse_known_args(words)
    if chosen.recipe in BY_NAME:
        return record.main([chosen.recipe, *rest], prog)
    args = parser(prog, __doc__, "kaggle_bn").parse_args(argv)
    one_of_both = "kaggle_bn", *BY_NAME
    if args.recipe not in one_of_both:
        print(f"{prog}: --recipe: expected one of {', '.join(one_of_both)}, received {args.recipe!r}", file=sys.stderr)
        return 2
    args.words, args.embedded, args.option = argv, find_folder(args.data) is None, []
    if args.embedded:
        args.epochs = EPOCHS if args.epochs is None else args.epochs
        args.batch_size = BATCH_SIZE if args.batch_size is None else args.batch_size
        args.option = [f"momentum={MOMENTUM}"]
        args.note = (
            "No Kaggle files found, so this trains on the 1,797 digits that come with scikit-learn, split 1,437 / 180 "
            f"/ 180 (train, held out, test; stratified, seed 2), with batch {args.batch_size}, epochs {args.epochs} "
            f"and batch-norm momentum {MOMENTUM}; to get the real files: {GET}"
        )
    return execute(args)
