"""How long argument lists are, which a reader of a call has to hold in mind, and how many of them leave types out.

    python benchmarks/argument_lists.py                       kernels/numba_cpu
    python benchmarks/argument_lists.py minicnn kernels --most 8 --list
    python benchmarks/argument_lists.py minicnn --untyped     public functions of which an editor cannot say all

Counted is every function of every .py file below the folders: all its arguments, *rest and keywords included, `self`
too. With --list each function that has more than --most is named; the exit code is 1 if there is one.

--untyped names the public functions, and public classes' methods, __init__ and __call__, of which an argument or the
result has no annotation. `self`, `cls` and what __init__ returns need none, and no function inside of another counts.
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


def untyped(folder: Path) -> Iterator[tuple[str, str]]:
    """(file:line name, what has no annotation) of every public function; "" of one whose signature is complete."""
    for path in sorted(folder.rglob("*.py")):
        module = path.relative_to(folder).with_suffix("").parts
        if not any(map(_private, module)):
            for name, node, method in _public(ast.parse(path.read_text()).body):
                yield f"{path.relative_to(ROOT)}:{node.lineno} {name}", ", ".join(_bare(node, method))


def _private(name: str) -> bool:
    return name.startswith("_") and name not in ("__init__", "__call__", "__main__")


def _public(body: list[ast.stmt], inside: str = "") -> Iterator[tuple[str, ast.FunctionDef, bool]]:
    """(its name, the function, whether it is a method) of what a module, or a class `inside` of it, has for all."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not _private(node.name):
            yield from _public(node.body, f"{inside}{node.name}.")
        elif isinstance(node, ast.FunctionDef) and not _private(node.name):
            yield inside + node.name, node, bool(inside)


def _bare(node: ast.FunctionDef, method: bool) -> list[str]:
    """The arguments, and "return", that have no annotation."""
    a = node.args
    static = any(isinstance(one, ast.Name) and one.id == "staticmethod" for one in node.decorator_list)
    given = [*a.posonlyargs, *a.args][int(method and not static) :]
    given += [*a.kwonlyargs, *(one for one in (a.vararg, a.kwarg) if one is not None)]
    found = [one.arg for one in given if one.annotation is None]
    return found + (["return"] if node.returns is None and node.name != "__init__" else [])


def main(words=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", default=["kernels/numba_cpu"], help="below the checkout")
    parser.add_argument("--most", type=int, default=8, help="arguments that nobody minds")
    parser.add_argument("--list", action="store_true", help="name the functions that have more")
    parser.add_argument("--untyped", action="store_true", help="name public functions whose signatures lack types")
    asked, longer = parser.parse_args(words), []
    if asked.untyped:
        found = [one for folder in asked.folders for one in untyped(ROOT / folder)]
        bare = [(name, what) for name, what in found if what]
        print(*(f"{name}: {what}" for name, what in bare), sep="\n")
        print(f"{len(bare)} of {len(found)} public functions have no complete signature")
        return int(bool(bare))
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
