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

# part of minicnn: (other parts that it may import, packages that it may import)
MAY = {
    "errors": (set(), set()),
    "notes": (set(), set()),
    "labels": ({"errors"}, ARRAYS),
    "backend": ({"data", "errors", "io", "kernels", "notes"},
                ARRAYS | {"cupy", "cupyx", "numba", "scipy", "threadpoolctl"}),
    "core": ({"backend", "errors"}, set()),
    "ops": ({"core", "errors"}, set()),
    # The layers are placed on a backend and read its random streams; kernels and arrays they reach through ops alone.
    "layers": ({"attributes", "backend", "constraints", "core", "errors", "initializers", "naming", "notes", "ops",
                "regularizers"}, set()),
    "weighting": ({"errors"}, ARRAYS),
    "attributes": ({"errors", "notes"}, set()),
    # NumPy: targets are checked before they go to a device
    "regularizers": ({"core", "errors", "ops"}, set()),
    "constraints": ({"core", "errors", "ops"}, set()),
    # NumPy: arrays and numbers become tensors
    "activations": ({"core", "errors", "ops"}, ARRAYS),
    "losses": ({"core", "errors", "labels", "ops", "weighting"}, ARRAYS),
    "optimizers": ({"attributes", "core", "errors", "notes"}, set()),
    "naming": (set(), set()),
    "metrics": ({"core", "errors", "labels", "losses", "naming", "notes", "ops", "weighting"}, ARRAYS),
    "initializers": ({"errors"}, ARRAYS),
    "callbacks": ({"errors", "io", "notes"}, ARRAYS | LAZY),
    "data": ({"errors", "io", "labels", "notes"}, ARRAYS | LAZY),
    "io": ({"errors"}, ARRAYS | LAZY),
    "reports": ({"errors", "io"}, ARRAYS | LAZY),
    # Models are handed in: what a trace reads is a program and arrays.
    "teaching": ({"backend", "callbacks", "core", "errors", "io", "ops"}, ARRAYS),
    "training": ({"attributes", "backend", "callbacks", "constraints", "core", "data", "errors", "initializers", "io",
                  "layers", "losses", "metrics", "naming", "notes", "ops", "optimizers", "regularizers", "reports",
                  "teaching", "weighting"}, ARRAYS),
    # Names for what is elsewhere, found on first use.
    "keras": ({"activations", "backend", "core", "data", "errors", "layers", "losses", "metrics", "naming", "notes",
               "ops", "optimizers", "training"},
              ARRAYS),
    # An estimator is a program around a model. Whoever imports the file wants scikit-learn at once.
    "sklearn": ({"backend", "errors", "layers", "losses", "optimizers", "training"}, ARRAYS),
    "recipes": ({"errors"}, set()),
    "records": ({"errors", "recipes"}, set()),
    "diagnosis": ({"backend", "errors", "kernels", "reports"}, ARRAYS | {"llvmlite", "numba", "threadpoolctl"}),
    # Programs use the names that every user has, and like users they may build models.
    "commands": ({"backend", "callbacks", "data", "errors", "io", "labels", "minicnn", "recipes", "records", "reports",
                  "keras", "teaching", "play"}, ARRAYS | {"uvicorn"}),
    "play": ({"data", "errors", "io", "labels"}, ARRAYS | {"PIL", "anywidget", "starlette"}),
    "__main__": ({"commands", "diagnosis", "errors"}, set()),
    "__init__": ({"_checkout", "errors"}, set()),
    "_checkout": (set(), set()),
    "arguments": ({"errors", "notes"}, ARRAYS),
}  # fmt: skip
for _part, (_parts, _) in MAY.items():  # the checks of arguments go with their errors
    _parts |= {"arguments"} if "errors" in _parts and _part != "arguments" else set()
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


def imports(path: Path, package: str) -> Iterator[Import]:
    """Every module that the file names in an import; `package` is what its relative imports start from."""
    tree = ast.parse(path.read_text("utf-8"))
    inside = {
        node for scope in ast.walk(tree)
        if isinstance(scope, (ast.FunctionDef, ast.Lambda))
        or (isinstance(scope, ast.If) and "TYPE_CHECKING" in ast.dump(scope.test))
        for node in ast.walk(scope)
    }  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            module = ".".join(filter(None, [base, node.module]))
            whole = module == "minicnn" or node.module is None  # from .. import losses: each name is a module
            names = [f"{module}.{alias.name}" for alias in node.names] if whole else [module]
        else:
            continue
        yield from (Import(path, name, node in inside) for name in names)


def sources(folder: str) -> list[Path]:
    return sorted(p for p in (ROOT / folder).rglob("*.py") if "__pycache__" not in p.parts)


@functools.cache
def imports_of(part: str) -> list[Import]:
    """The imports of a part of minicnn: of a folder's files, or of the file."""
    paths = sources(f"minicnn/{part}") or [ROOT / "minicnn" / f"{part}.py"]
    return [one for path in paths for one in imports(path, ".".join(path.relative_to(ROOT).parent.parts))]


def test_the_search_sees_imports():
    found = imports_of("ops") + imports_of("backend") + imports_of("training")
    assert len(found) > 200
    seen = {(one.path.name, one.module, one.lazy) for one in found}
    assert ("conv.py", "minicnn.core.op", False) in seen
    assert ("cpu.py", "numba", True) in seen
    assert ("trainer.py", "minicnn.losses", False) in seen


def test_every_part_is_entered():
    assert {p.relative_to(ROOT).parts[1].removesuffix(".py") for p in sources("minicnn")} == set(MAY)


@pytest.mark.parametrize("part", MAY)
def test_a_part_imports_only_what_it_may(part):
    parts, packages = MAY[part]
    wrong = []
    for path, module, lazy in imports_of(part):
        first, *rest = module.split(".")
        where = path.relative_to(ROOT / "minicnn").as_posix()
        if first == "minicnn":
            target = rest[0] if rest else "minicnn"
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
