"""minicnn port SCRIPT.py|NOTEBOOK.ipynb: the same file with the import lines of Keras changed, and what will not run.

Nothing but import lines changes.  A line of the report: where, what, and the nearest thing that minicnn has.
"""

import ast
import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..errors import DataError, MinicnnError, MissingDataError
from .parser import Parser

KERAS = ("tensorflow.compat.v1.keras", "tensorflow.python.keras", "tensorflow.keras", "tf_keras", "keras")
EXAMPLE = "example:  minicnn port notebook.ipynb  writes notebook.minicnn.ipynb"


class Complaint(NamedTuple):
    """line: from 1;  what: a sentence."""

    line: int
    what: str


def ported(source: str, first_line: int = 1) -> tuple[str, list[Complaint]]:
    """A script with changed import lines, and what of it minicnn lacks.  Raises DataError for what is no Python."""
    lines = source.splitlines(keepends=True)
    try:
        tree = ast.parse("".join(map(_python, lines)))
    except SyntaxError as cause:
        line = first_line - 1 + (cause.lineno or 1)
        raise DataError(f"port: expected Python, received {cause.msg} in line {line}") from None
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    complaints, names = [], {}
    for node in sorted(imports, key=lambda n: n.lineno, reverse=True):
        complaints += [Complaint(node.lineno, what) for what in _change(lines, node, names)]
    complaints += _lacking(tree, names)
    complaints += _steps(tree, names)
    complaints += _only_imported(tree, names, {c.what for c in complaints})
    shifted = [Complaint(c.line + first_line - 1, c.what) for c in dict.fromkeys(complaints)]
    return "".join(lines), sorted(shifted)


def _python(line: str) -> str:
    """A line of a notebook's cell: commands for the shell and magic words are no Python."""
    return re.sub(r"^\s*[%!?].*$", lambda m: m.group()[: len(m.group()) - len(m.group().lstrip())] + "pass", line)


def _ours(module: str) -> str | None:
    """keras.layers -> minicnn.keras.layers; None for what is not Keras's."""
    for old in KERAS:
        if module == old or module.startswith(old + "."):
            return "minicnn.keras" + module[len(old) :]
    return None


def _change(lines: list[str], node, names: dict[str, str]) -> Iterator[str]:
    """Change one import in `lines`; `names` learns what each name stands for: a path within minicnn."""
    new = None
    if isinstance(node, ast.ImportFrom):
        module = node.module or ""
        if node.level == 0 and module == "tensorflow":
            if [a.name for a in node.names] == ["keras"]:
                new, ours = "minicnn", "minicnn"
            else:
                yield f"from tensorflow import {', '.join(a.name for a in node.names)}: only keras is here"
                return
        else:
            ours = _ours(module) if node.level == 0 else None
            new = ours
        if new is None:
            return
        for alias in node.names:
            names[alias.asname or alias.name] = f"{ours}.{alias.name}"
        _replace(lines, node, rf"from(\s+){re.escape(module)}\b", rf"from\g<1>{new}")
        return
    for alias in node.names:
        ours = _ours(alias.name)
        old, bound = re.escape(alias.name), alias.asname
        if alias.name == "tensorflow":
            names[bound or "tensorflow"] = "minicnn.keras.tf"
            if len(node.names) == 1:
                _replace(lines, node, r"import\s+tensorflow(\s+as\s+\w+)?",
                         "from minicnn.keras import tf" + (f" as {bound}" if bound not in (None, "tf") else "")
                         + (" as tensorflow" if bound is None else ""))  # fmt: skip
            else:
                yield "import tensorflow beside others: give it a line of its own"
        elif ours is not None and bound is not None:
            names[bound] = ours
            _replace(lines, node, rf"\b{old}\b(?=\s+as\b)", ours)
        elif ours is not None and alias.name.split(".")[0] != "tensorflow":
            root = alias.name.split(".")[0]
            names[root] = "minicnn.keras"
            more = f"{ours}, " if "." in alias.name else ""
            _replace(lines, node, rf"\b{old}\b", f"{more}minicnn.keras as {root}")
        elif ours is not None:
            yield f"import {alias.name}: write import {alias.name} as keras"


def _replace(lines: list[str], node, pattern: str, text: str) -> None:
    """Replace the first match within the lines of a statement, which keep their number."""
    first, last = node.lineno - 1, node.end_lineno or node.lineno
    old = "".join(lines[first:last])
    head = len(lines[first].encode()[: node.col_offset].decode())
    changed = old[:head] + re.sub(pattern, text, old[head:], count=1)
    lines[first:last] = changed.splitlines(keepends=True)


def _lacking(tree, names: dict[str, str]) -> Iterator[Complaint]:
    """Every place that uses a name of Keras's that minicnn lacks."""
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Attribute, ast.Name)):
            continue
        dotted = _dotted(node)
        if dotted is None or dotted[0] not in names:
            continue
        found = _resolve(names[dotted[0]].split(".") + dotted[1:])
        if found is not None:
            yield Complaint(node.lineno, found)


def _steps(tree, names: dict[str, str]) -> Iterator[Complaint]:
    """Methods of a script's own models that minicnn does not call: predict_step."""
    from ..keras import models

    for node in (one for one in ast.walk(tree) if isinstance(one, ast.ClassDef)):
        bases = [_dotted(base) for base in node.bases]
        paths = [".".join([names[base[0]], *base[1:]]) for base in bases if base is not None and base[0] in names]
        kinds = [getattr(models, path.rpartition(".")[2]) for path in paths
                 if path.endswith((".Model", ".Sequential")) and path.startswith("minicnn.")]  # fmt: skip
        methods = [one for one in node.body if isinstance(one, ast.FunctionDef)]
        for method in (one for kind in kinds for one in methods if one.name in kind.hooks):
            what = "minicnn does not call it; a model may have call, train_step and test_step of its own"
            yield Complaint(method.lineno, f"{getattr(node, 'name', '')}.{method.name}: {what}")


def _only_imported(tree, names: dict[str, str], said: set[str]) -> Iterator[Complaint]:
    """Imports of what minicnn lacks, where no use of the name has told it."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom):
            continue
        for alias in node.names:
            path = names.get(alias.asname or alias.name)
            found = None if path is None or alias.name == "*" else _resolve(path.split("."))
            if found is not None and found not in said:
                fails = "this import fails" if "has no attribute" in found else "imported, and not used"
                yield Complaint(node.lineno, f"{found}: {fails}")


def _dotted(node) -> list[str] | None:
    """a.b.c -> ["a", "b", "c"]."""
    if isinstance(node, ast.Name):
        return [node.id]
    inner = _dotted(node.value) if isinstance(node, ast.Attribute) else None
    return None if inner is None else [*inner, node.attr]


def _resolve(path: list[str]) -> str | None:
    """None if minicnn has it, else the sentence that says what it lacks."""
    from ..keras._names import Missing

    at = importlib.import_module("minicnn.keras") if path[1:2] == ["keras"] else importlib.import_module("minicnn")
    for name in path[2:] if path[1:2] == ["keras"] else path[1:]:
        try:
            at = getattr(at, name)
        except AttributeError as cause:
            return str(cause) if _is_module(at) else None
        except MinicnnError as cause:
            return str(cause)
        if isinstance(at, Missing):
            return repr(at)[1:-1]
    return None


def _is_module(thing) -> bool:
    return str(getattr(thing, "__name__", "")).startswith("minicnn.keras") and hasattr(thing, "__path__")


def port(path: Path, out: Path) -> list[Complaint]:
    """Write the changed copy of `path` to `out`; return the complaints."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise MissingDataError(f"port: expected a script or notebook at {path}, received no such file") from None
    except (OSError, UnicodeDecodeError) as cause:
        raise DataError(f"port: expected a readable file at {path}, received {cause}") from None
    if path.suffix != ".ipynb":
        text, complaints = ported(text)
    else:
        text, complaints = _notebook(text, path)
    try:
        out.write_text(text, "utf-8")
    except OSError as cause:
        raise DataError(f"port: expected a file to write at {out}, received {cause.strerror}") from None
    return complaints


def _notebook(text: str, path: Path) -> tuple[str, list[Complaint]]:
    """The same notebook; a complaint's line counts through all code cells."""
    try:
        document = json.loads(text)
        cells = [cell for cell in document["cells"] if cell["cell_type"] == "code"]
        sources = ["".join(cell["source"]) for cell in cells]
    except (ValueError, KeyError, TypeError) as cause:
        raise DataError(f"port: expected a notebook at {path}, received {cause!r}") from None
    marks = [f"# cell {i}\n" for i in range(len(sources))]
    whole = "".join(mark + source + "\n" for mark, source in zip(marks, sources, strict=True))
    changed, complaints = ported(whole)
    parts = re.split(r"^# cell \d+\n", changed, flags=re.MULTILINE)[1:]
    for cell, part in zip(cells, parts, strict=True):
        source = part[:-1]
        cell["source"] = source.splitlines(keepends=True) if isinstance(cell["source"], list) else source
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n", complaints


def main(words: list[str]) -> int:
    """0 if everything that the file names is here, 1 if something will not run, 2 for a file that cannot be read."""
    parser = Parser(prog="minicnn port", description=__doc__, epilog=EXAMPLE)
    parser.add_argument("file", type=Path, help="a Python script or a Jupyter notebook that uses Keras")
    parser.add_argument("--out", type=Path, help="where the copy goes (default: NAME.minicnn.py beside it)")
    given = parser.parse_args(words)
    out = given.out or given.file.with_suffix(f".minicnn{given.file.suffix}")
    try:
        complaints = port(given.file, out)
    except MinicnnError as error:
        print(error, file=sys.stderr)
        return 2
    for line, what in complaints:
        print(f"{given.file}:{line}: {what}")
    print(f"{out} written; " + (f"{len(complaints)} places will not run" if complaints else "every name is here"))
    return 1 if complaints else 0
