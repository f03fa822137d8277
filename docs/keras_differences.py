"""Write docs/keras-differences.md: every "Differs from Keras:" of the docstrings, in one table.

    python docs/keras_differences.py            write it
    python docs/keras_differences.py --check    say whether it is current
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "docs" / "keras-differences.md"
MARK = "Differs from Keras:"
HEAD = """# Where minicnn differs from Keras

Made from the lines "Differs from Keras:" of the docstrings by `python docs/keras_differences.py`: change those, not
this file. What is not listed is meant to be Keras 3's: names, defaults and numbers. What is missing altogether says so
when it is used.

| where | what |
|---|---|
"""


def differences() -> Iterator[tuple[str, str]]:
    """(where, what) of every difference: callbacks.EarlyStopping, a sentence."""
    for path in sorted((ROOT / "minicnn").rglob("*.py")):
        parts = [part for part in path.relative_to(ROOT / "minicnn").with_suffix("").parts if part != "__init__"]
        source = path.read_text("utf-8")
        if MARK in source:
            yield from _of(ast.parse(source), ".".join(parts))


def _of(node, name: str) -> Iterator[tuple[str, str]]:
    text = ast.get_docstring(node) or ""
    if MARK in text:
        after = text.split(MARK, 1)[1]
        said = re.split(r"\n\s*\n|\n(?:Source|Raises|Differs)\b", after)[0]
        yield name, " ".join(said.split())
    for inner in node.body:
        if isinstance(inner, (ast.ClassDef, ast.FunctionDef)):
            yield from _of(inner, f"{name}.{inner.name}")


def table() -> str:
    """The whole file."""
    rows = [f"| `{where}` | {what.replace('|', chr(92) + '|')} |" for where, what in differences()]
    return HEAD + "\n".join(rows) + "\n"


def main(words: list[str]) -> int:
    """0; with --check 1 where the file is not what would be written."""
    if words not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    new = table()
    if words:
        current = TABLE.exists() and TABLE.read_text("utf-8") == new
        print(f"{TABLE.name}: " + ("current" if current else "not current: run python docs/keras_differences.py"))
        return 0 if current else 1
    TABLE.write_text(new, "utf-8")
    print(f"{TABLE.relative_to(ROOT)}: {new.count(chr(10) + '|') - 2} differences")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
