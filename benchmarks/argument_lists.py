"""How long argument lists are: what a reader of a call has to hold in mind.

    python benchmarks/argument_lists.py                       kernels/numba_cpu
    python benchmarks/argument_lists.py minicnn kernels --most 8 --list

Counted is every function of every .py file below the folders: all its arguments, *rest and keywords included, `self`
too. With --list each function that has more than --most is named; the exit code is 1 if there is one.
"""

import argparse
import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]


def lists(folder: Path) -> Iterator[tuple[int, str]]:
    """(number of arguments, file:line name) of every function."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                a = node.args
                number = len(a.posonlyargs + a.args + a.kwonlyargs) + (a.vararg is not None) + (a.kwarg is not None)
                yield number, f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"


def main(words=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", default=["kernels/numba_cpu"], help="below the checkout")
    parser.add_argument("--most", type=int, default=8, help="arguments that nobody minds")
    parser.add_argument("--list", action="store_true", help="name the functions that have more")
    asked, longer = parser.parse_args(words), []
    for folder in asked.folders:
        found = sorted(lists(ROOT / folder), reverse=True)
        lines = sum(len(path.read_text().splitlines()) for path in (ROOT / folder).rglob("*.py"))
        numbers = [number for number, _ in found]
        more = [line for line in found if line[0] > asked.most]
        print(f"{folder}: {lines} lines, {len(found)} functions; arguments: longest list {numbers[0]}, "
              f"p99 {numbers[len(numbers) // 100]}, p90 {numbers[len(numbers) // 10]}, "
              f"{len(more)} longer than {asked.most}")  # fmt: skip
        longer += more
    if asked.list:
        print(*(f"{number:4} {name}" for number, name in longer), sep="\n")
    return int(asked.list and bool(longer))


if __name__ == "__main__":
    sys.exit(main())
