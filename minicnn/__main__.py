"""minicnn COMMAND, or python -m minicnn COMMAND:

    train     Kaggle's Digit Recognizer: train, judge, write a submission; without its files, on digits that are there
    recipe    train one of five published systems, and hold its figure beside the published one
    record    train a recipe that aims at accuracy: mnist_record, fashion, cifar10
    predict   what a model says about images
    summary   its layers, shapes and parameters
    plan      what a training step will do: kernels, memory, operations
    gradcheck whether every gradient of a model is right
    explain   where a number of a model comes from, and where its gradient does
    report    what a run did and learnt, as one HTML file
    play      draw on a page of this machine, and see every number of forward and backward
    port      a Keras script or notebook with its import lines changed, and what of it minicnn lacks
    doctor    report what this machine has, what is missing, and the line that mends it

MODEL of a command is a .minicnn, .keras or .h5 file, or a run's folder. For example:

    minicnn train --limit 2000 --epochs 1
    minicnn explain runs/kaggle_bn --layer conv2d --pixel 3,4,7

minicnn COMMAND --help lists the options.
"""

import io
import os
import shutil
import sys
from collections.abc import Callable

from .errors import ArgumentError, one_of


def train(words: list[str]) -> int:
    from .commands.train import main

    return main(words)


def recipe(words: list[str]) -> int:
    from .commands.recipe import main

    return main(words)


def record(words: list[str]) -> int:
    from .commands.record import main

    return main(words)


def port(words: list[str]) -> int:
    from .commands.port import main

    return main(words)


def play(words: list[str]) -> int:
    from .commands.play import main

    return main(words)


def report(words: list[str]) -> int:
    from .commands.report import main

    return main(words)


def doctor(words: list[str]) -> int:
    """0, or 1 if the device that was asked for does not work."""
    from .commands.parser import Parser
    from .diagnosis import DEVICES, doctor

    parser = Parser(prog="minicnn doctor", description=(doctor.__doc__ or "").split("\n")[0])
    parser.add_argument("--device", choices=DEVICES, default="auto", help="what has to work (default auto: the CPU)")
    return 0 if doctor(parser.parse_args(words).device)["works"] else 1


def look(name: str) -> Callable[[list[str]], int]:
    """predict, summary, plan, gradcheck, explain."""

    def command(words: list[str]) -> int:
        from .commands.look import main

        return main(name, words)

    return command


LOOKS = ("predict", "summary", "plan", "gradcheck", "explain")
COMMANDS = {"train": train, "recipe": recipe, "record": record, **{name: look(name) for name in LOOKS},
            "report": report, "play": play, "port": port, "doctor": doctor}  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """The command's exit code; 2 for a command line that is none, 130 after Ctrl-C, 141 if nobody reads on."""
    name, *words = (sys.argv[1:] if argv is None else argv) or ["--help"]
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name may hold what no terminal can show
    if name in ("-h", "--help", "help"):
        from .commands.parser import folded

        print(folded(__doc__ or "", shutil.get_terminal_size().columns).rstrip())
        return 0
    try:
        one_of("minicnn", name, COMMANDS)
    except ArgumentError as error:
        print(f"{error}; minicnn --help explains them", file=sys.stderr)
        return 2
    try:
        code = COMMANDS[name](words)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print(f"\nminicnn {name}: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `| head` has seen enough; Python would flush once more at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


if __name__ == "__main__":
    sys.exit(main())
