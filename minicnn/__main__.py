"""python -m minicnn doctor: what this machine has, what is missing, and the line that mends it."""

import argparse
import sys

from .diagnosis import DEVICES, doctor


def main(argv: list[str] | None = None) -> int:
    """The exit code: 0, or 1 if the device that was asked for does not work ("auto" asks for the CPU)."""
    parser = argparse.ArgumentParser(prog="python -m minicnn")
    commands = parser.add_subparsers(dest="command", required=True, metavar="doctor")
    command = commands.add_parser("doctor", help="report what minicnn finds here, and what is missing")
    command.add_argument("--device", choices=DEVICES, default="auto", help="what has to work (auto: the CPU)")
    return 0 if doctor(parser.parse_args(argv).device)["works"] else 1


if __name__ == "__main__":
    sys.exit(main())
