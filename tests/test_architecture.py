"""The layers of the house: who may import whom. Read from the sources, imports inside functions included.

A new part of minicnn has to be entered here, which is the moment to think about where it stands.
"""

import ast
import functools
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import minicnn

ROOT = Path(__file__).parents[1]
ARRAYS = {"numpy"}
# Heavy, or not there: only where they are used.
LAZY = {"PIL", "h5py", "matplotlib", "onnx", "pandas", "safetensors", "sklearn", "tensorboardX", "tqdm"}

# part of minicnn, a folder or a file: (other parts that it may import, packages that it may import)
MAY = {
    "aliases": (set(), ARRAYS),
    "errors": (set(), set()),
    "notes": (set(), set()),
    "labels": ({"errors"}, ARRAYS),
    "backend": ({"data", "errors", "io", "kernels", "notes"},
                ARRAYS | {"cupy", "cupyx", "numba", "scipy", "threadpoolctl"}),
    "core": ({"backend", "errors"}, set()),
    "ops": ({"core", "errors"}, set()),
    # The layers are placed on a backend and read its random streams; kernels and arrays they reach through ops alone.
    "layers": ({"attributes", "backend", "constraints", "core", "custom", "errors", "initializers", "naming", "notes",
                "ops", "regularizers"}, set()),
    "weighting": ({"errors"}, ARRAYS),
    "structure": ({"errors"}, set()),
    "attributes": ({"errors", "notes"}, set()),
    # NumPy: targets are checked before they go to a device
    "regularizers": ({"activations", "core", "errors", "ops"}, set()),
    "constraints": ({"activations", "core", "errors", "ops"}, set()),
    # NumPy: arrays and numbers become tensors
    "activations": ({"core", "custom", "errors", "ops"}, ARRAYS),
    "losses": ({"core", "custom", "errors", "labels", "ops", "weighting"}, ARRAYS),
    "optimizers": ({"attributes", "core", "errors", "notes"}, set()),
    "naming": (set(), set()),
    "custom": (set(), set()),
    "metrics": ({"core", "custom", "errors", "labels", "losses", "naming", "notes", "ops", "weighting"}, ARRAYS),
    "initializers": ({"custom", "errors"}, ARRAYS),
    "callbacks": ({"errors", "io", "notes"}, ARRAYS | LAZY),
    "data": ({"errors", "io", "kernels", "labels", "notes"}, ARRAYS | LAZY),
    "io": ({"errors", "structure"}, ARRAYS | LAZY),
    "reports": ({"errors", "io"}, ARRAYS | LAZY),
    # Models are handed in: what a trace reads is a program and arrays.
    "teaching": ({"backend", "callbacks", "core", "errors", "io", "ops"}, ARRAYS),
    # Models are handed in here too, and their classes enter themselves; only what is read from files makes new ones.
    "saving": ({"backend", "constraints", "custom", "errors", "initializers", "layers", "losses", "metrics", "ops",
                "optimizers", "regularizers", "structure"}, ARRAYS),
    "saving/load": ({"backend", "errors", "io", "layers", "notes", "saving", "training"}, ARRAYS),
    "training": ({"attributes", "backend", "callbacks", "constraints", "core", "data", "errors", "initializers", "io",
                  "layers", "losses", "metrics", "naming", "notes", "ops", "optimizers", "regularizers", "reports",
                  "saving", "structure", "teaching", "weighting"}, ARRAYS),
    # Names for what is elsewhere, found on first use.
    "keras": ({"activations", "backend", "core", "custom", "data", "errors", "layers", "losses", "metrics", "naming",
               "notes", "ops", "optimizers", "saving/load", "training"}, ARRAYS),
    # An estimator is a program around a model. Whoever imports the file wants scikit-learn at once.
    "sklearn": ({"backend", "errors", "layers", "losses", "optimizers", "saving", "structure", "training"}, ARRAYS),
    "recipes": ({"errors"}, set()),
    "records": ({"errors", "recipes"}, ARRAYS),
    "diagnosis": ({"backend", "errors", "kernels", "reports"}, ARRAYS | {"llvmlite", "numba", "threadpoolctl"}),
    # Programs use the names that every user has, and like users they may build models.
    "commands": ({"backend", "callbacks", "data", "errors", "io", "labels", "minicnn", "recipes", "records", "reports",
                  "keras", "structure", "teaching", "play"}, ARRAYS | {"uvicorn"}),
    "play": ({"data", "errors", "io", "labels"}, ARRAYS | {"PIL", "anywidget", "starlette"}),
    "__main__": ({"commands", "diagnosis", "errors"}, set()),
    "__init__": ({"_checkout", "errors"}, set()),  # and for type checkers alone the names that are loaded on first use
    "_checkout": (set(), set()),
    "arguments": ({"errors", "notes"}, ARRAYS),
}  # fmt: skip
for _part, (_parts, _) in MAY.items():  # the checks of arguments go with their errors; types have names for all
    _parts |= {"arguments"} if "errors" in _parts and _part != "arguments" else set()
    _parts |= {"aliases"} - {_part}
KERNELS_MAY = {"numpy", "numba", "cupy", "llvmlite"}
DEPARTURES = {
    ("core/check_grad.py", "numpy"): "the checker draws and compares on the host",
    ("sklearn.py", "sklearn"): "the file is itself imported by those who use scikit-learn",
    ("reports/figure.py", "matplotlib"): "the file is itself imported when the first picture is drawn",
    ("training/world.py", "mpi4py"): "lazily: an extra that nobody needs who trains with one process",
    ("saving/torch_weights.py", "torch"): "lazily: whoever asks for a state_dict has PyTorch",
    ("data/flow.py", "backend"): "lazily: whoever iterates a flow by hand has nobody to hand a backend in",
}


class Import(NamedTuple):
    path: Path
    module: str  # absolute
    lazy: bool  # inside a function, or for type checkers only
    idle: bool  # for type checkers only


@functools.cache
def import_nodes(path: Path) -> list[tuple[ast.Import | ast.ImportFrom, bool, bool]]:
    """A file's imports; whether each is inside a function; whether type checkers alone read it."""
    found = []

    def search(node: ast.AST, lazy: bool, idle: bool) -> None:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found.append((node, lazy, idle))
        elif isinstance(node, (ast.stmt, ast.Module, ast.ExceptHandler, ast.match_case)):
            lazy = lazy or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            idle = idle or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))
            for inner in ast.iter_child_nodes(node):
                search(inner, lazy, idle)

    search(ast.parse(path.read_text("utf-8")), False, False)
    return found


def imports(path: Path, package: str) -> Iterator[Import]:
    """Every module that the file names in an import; `package` is what its relative imports start from."""
    for node, lazy, idle in import_nodes(path):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            module = ".".join(filter(None, [base, node.module]))
            whole = module == "minicnn" or node.module is None  # from .. import losses: each name is a module
            names = [f"{module}.{alias.name}" for alias in node.names] if whole else [module]
        yield from (Import(path, name, lazy or idle, idle) for name in names)


def sources(folder: str) -> list[Path]:
    return sorted(p for p in (ROOT / folder).rglob("*.py") if "__pycache__" not in p.parts)


def part_of(steps: tuple[str, ...]) -> str:
    """The part that minicnn/<steps> belongs to: a file that is entered by itself, or its folder."""
    return "/".join(steps[:2]) if "/".join(steps[:2]) in MAY else steps[0]


@functools.cache
def imports_of(part: str) -> list[Import]:
    """The imports of a part of minicnn: of a folder's files, or of the file."""
    paths = sources(f"minicnn/{part}") or [ROOT / "minicnn" / f"{part}.py"]
    paths = [path for path in paths if part_of(path.relative_to(ROOT).with_suffix("").parts[1:]) == part]
    return [one for path in paths for one in imports(path, ".".join(path.relative_to(ROOT).parent.parts))]


def test_the_search_sees_imports():
    found = imports_of("ops") + imports_of("backend") + imports_of("training")
    assert len(found) > 200
    seen = {(one.path.name, one.module, one.lazy) for one in found}
    assert ("conv.py", "minicnn.core.op", False) in seen
    assert ("cpu.py", "numba", True) in seen
    assert ("trainer.py", "minicnn.losses", False) in seen


def test_every_part_is_entered():
    assert {part_of(p.relative_to(ROOT).with_suffix("").parts[1:]) for p in sources("minicnn")} == set(MAY)


@pytest.mark.parametrize("part", MAY)
def test_a_part_imports_only_what_it_may(part):
    parts, packages = MAY[part]
    wrong = []
    for path, module, lazy, idle in imports_of(part):
        if idle and part == "__init__":
            continue
        first, *rest = module.split(".")
        where = path.relative_to(ROOT / "minicnn").as_posix()
        if first == "minicnn":
            target = part_of(tuple(rest)) if rest else "minicnn"
            ok = target == part or target in parts or ((where, target) in DEPARTURES and lazy)
        elif first in sys.stdlib_module_names:
            ok = True
        else:
            ok = (first in packages and (lazy or first not in LAZY)) or (where, first) in DEPARTURES
        if not ok:
            wrong.append(f"{where} imports {module}{' lazily' if lazy else ''}")
    assert not wrong


def test_departures_are_still_needed():
    parts = {Path(where).parts[0].removesuffix(".py") for where, _ in DEPARTURES}
    found = {(one.path.relative_to(ROOT / "minicnn").as_posix(), name)
             for part in parts for one in imports_of(part) for name in one.module.split(".")}  # fmt: skip
    assert set(DEPARTURES) <= found


def test_there_is_no_circle():
    """The table itself: sorted bottom up, no part needs one that needs it."""
    remaining = {part: set(parts) - {"kernels", part} for part, (parts, _) in MAY.items()}
    while remaining:
        free = [part for part, needs in remaining.items() if not needs & remaining.keys()]
        assert free, f"a circle among {sorted(remaining)}"
        for part in free:
            del remaining[part]


def modules() -> dict[str, Path]:
    """Every module by its name."""
    found = {}
    for top, name in (("minicnn", "minicnn"), ("kernels", "minicnn.kernels")):
        for path in sources(top):
            steps = path.relative_to(ROOT / top).with_suffix("").parts
            found[".".join((name, *(step for step in steps if step != "__init__")))] = path
    return found


def needed(name: str, path: Path, known: dict[str, Path]) -> set[str]:
    """The modules that a file imports when it is loaded or used; what type checkers alone read does not count."""
    package, found = name if path.stem == "__init__" else name.rpartition(".")[0], set()
    for node in (node for node, _, idle in import_nodes(path) if not idle):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        else:
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            module = ".".join(filter(None, [base, node.module]))
            found |= {f"{module}.{alias.name}" for alias in node.names} & known.keys() or {module}
    return (found & known.keys()) - {name}


def circles(needs: dict[str, set[str]]) -> set[str]:
    """What is left once everything has been taken away that needs nothing more, or that nothing needs any more."""
    left = {name: set(others) for name, others in needs.items()}
    while True:
        wanted = set().union(*left.values())
        free = {name for name, others in left.items() if not others or name not in wanted}
        if not free:
            return set(left)
        left = {name: others - free for name, others in left.items() if name not in free}


def test_a_circle_is_seen():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == {"b", "c"}
    assert not circles({"a": {"b", "c"}, "b": {"c"}, "c": set()})


def test_no_file_needs_one_that_needs_it():
    """Imports inside functions included: a circle that is put off is one all the same."""
    known = modules()
    needs = {name: needed(name, path, known) for name, path in known.items()}
    assert "minicnn.training.savable" in needs["minicnn.training.model"]
    assert sum(map(len, needs.values())) > 700
    assert not circles(needs)


def test_kernels_stand_alone():
    for path in sources("kernels"):
        package = ".".join(("minicnn.kernels", *path.relative_to(ROOT / "kernels").parent.parts))
        for one in imports(path, package):
            first = one.module.split(".")[0]
            ok = one.module.startswith("minicnn.kernels") or first in KERNELS_MAY or first in sys.stdlib_module_names
            assert ok, f"{path.relative_to(ROOT)} imports {one.module}"


def test_nobody_imports_a_top_level_kernels():
    """That name belongs to another package of PyPI; a second import would be a second copy."""
    for folder in ("minicnn", "kernels", "examples", "benchmarks", "tests"):
        for path in sources(folder):
            if not re.search(r"\b(import|from)\b.*\bkernels\b", path.read_text("utf-8")):
                continue  # to parse every source takes seconds
            for one in imports(path, "x.y.z"):
                assert one.module.split(".")[0] != "kernels", path


def test_only_the_backend_names_cupy():
    for path in sources("minicnn"):
        if "backend" not in path.parts:
            assert "cupy" not in path.read_text("utf-8").lower(), path


@pytest.mark.parametrize("folder", ["examples", "benchmarks"])
def test_examples_use_public_names(folder):
    for path in sources(folder):
        for one in imports(path, ""):
            if one.module.startswith("minicnn."):
                part, *deeper = one.module.split(".")[1:]
                ok = part in minicnn.__all__ and not any(name.startswith("_") for name in deeper)
                assert ok, f"{path.name} imports {one.module}"


def test_no_file_is_a_drawer():
    for folder in ("minicnn", "kernels", "examples", "benchmarks", "tests"):
        for path in sources(folder):
            assert not re.fullmatch(r"_*(utils?|common|helpers?|misc)", path.stem), path


def test_one_subject_one_stem():
    """What an op is called, its layer, its kernels and its tests are called."""
    for stem in ("conv", "pool", "norm", "dense", "activation"):
        for folder in ("minicnn/ops", "minicnn/layers", "kernels/numpy_ref", "kernels/numba_cpu"):
            assert (ROOT / folder / f"{stem}.py").is_file(), f"{folder}/{stem}.py"
