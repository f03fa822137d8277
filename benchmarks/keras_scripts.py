"""What of Keras a folder of scripts and notebooks uses, and which share of them needs nothing that minicnn lacks.

    python benchmarks/keras_scripts.py FOLDER             the share, and what is missing most
    python benchmarks/keras_scripts.py FOLDER --files     also what each file lacks

Nothing is run. Read with Python's ast are imports and the names behind them, the arguments of calls to what they name,
words such as loss="mse", methods of models, and the endings of files that are saved and loaded. So a file without a
finding may still fail for another reason, and one with a finding may never reach it.
"""

import argparse
import ast
import collections
import inspect
import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from minicnn import keras as ours  # noqa: E402
from minicnn import layers, losses, metrics, optimizers  # noqa: E402
from minicnn.commands import port  # noqa: E402
from minicnn.errors import MinicnnError  # noqa: E402
from minicnn.layers.base import get_activation  # noqa: E402
from minicnn.layers.keras1 import NAMES  # noqa: E402

# Methods of models that nothing else has, and of those that others have too: of what is called model, net, ...
OF_MODELS = ("add_loss", "add_metric", "evaluate_generator", "export", "fit_generator", "get_layer", "load_weights",
             "predict_classes", "predict_generator", "predict_on_batch", "predict_proba", "reset_states",
             "save_weights", "summary", "test_on_batch", "to_json", "to_yaml", "train_on_batch")  # fmt: skip
SHARED = ("fit", "evaluate", "predict", "compile", "save", "add", "pop", "build", "get_weights", "set_weights")
MODELS = ("model", "net", "classifier", "autoencoder", "encoder", "decoder", "generator", "discriminator", "cnn", "gan")
OLD_WORDS = {"nb_epoch", "show_accuracy", "workers", "use_multiprocessing", "max_queue_size", "max_q_size", "nb_worker",
             "pickle_safe"}  # fmt: skip
COMMON = {"dtype", "input_dim", "batch_input_shape", "lr", "decay"} | set(NAMES)
ENDINGS = {"save": (".minicnn", ".keras", ".h5", ".hdf5"), "load_model": (".minicnn", ".keras", ".h5", ".hdf5"),
           "save_model": (".minicnn", ".keras", ".h5", ".hdf5"), "ModelCheckpoint": None, "save_weights": None,
           "load_weights": None}  # fmt: skip
WEIGHTS = (".h5", ".hdf5", ".safetensors", ".ckpt", "")
WORDS = {
    "loss": losses.get, "optimizer": optimizers.get, "metrics": metrics.get,
    "activation": lambda word: get_activation("activation", word),
}  # fmt: skip


def lacks(source: str) -> set[str] | None:
    """What minicnn lacks of what a script names; None where it names nothing of Keras's.  Raises SyntaxError."""
    lines = source.splitlines(keepends=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse("".join(map(port._python, lines)))
    names: dict[str, str] = {}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found.update(port._change(list(lines), node, names))
    if not any(path.startswith("minicnn") for path in names.values()):
        return None
    found.update(what.partition(";")[0].removeprefix("minicnn.keras: minicnn has no ")
                 for _, what in port._lacking(tree, names))  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            found.update(_of_call(node, names))
    return found


def _of_call(node: ast.Call, names: dict[str, str]) -> Iterator[str]:
    dotted = port._dotted(node.func)
    thing = _thing(names[dotted[0]].split(".") + dotted[1:]) if dotted and dotted[0] in names else None
    given = {word.arg: word.value for word in node.keywords if word.arg}
    name = node.func.attr if isinstance(node.func, ast.Attribute) else dotted[-1] if dotted else ""
    method = isinstance(node.func, ast.Attribute) and thing is None and _is_model(node.func, name)
    if thing is not None:
        label, known = getattr(thing, "__name__", name), _arguments(thing)
    elif method:
        label = f"Model.{name}"
        if not hasattr(ours.Sequential, name):
            yield label
            return
        known = _arguments(getattr(ours.Sequential, name))
        known = known and known | (OLD_WORDS if name in ("fit", "evaluate", "predict") else set())
    else:
        return
    if known is not None:
        yield from (f"{label}({word}=)" for word in given if word not in known)
    for word, value in given.items():
        yield from _of_word(label, word, value, node)
    yield from _of_path(name, node, given)


def _is_model(func: ast.Attribute, name: str) -> bool:
    owner = port._dotted(func.value)
    modelled = owner is not None and any(part in owner[-1].lower() for part in MODELS)
    return name in OF_MODELS or (name in SHARED and modelled)


def _thing(path: list[str]):
    """The class or function of minicnn.keras at `path`, or None."""
    at = ours
    for name in path[2:]:
        try:
            at = getattr(at, name)
        except (AttributeError, MinicnnError):
            return None
    known = (inspect.isclass(at) or inspect.isfunction(at)) and at.__module__.startswith("minicnn")
    return at if known and not at.__module__.endswith("keras._names") else None


def _arguments(thing) -> set[str] | None:
    """The keywords that a class or function takes; None: anything."""
    found, open_ended = set(), False
    chain = [one.__init__ for one in thing.__mro__ if "__init__" in vars(one)] if inspect.isclass(thing) else [thing]
    for function in chain:
        if function is object.__init__:
            continue
        parameters = inspect.signature(function).parameters.values()
        found |= {p.name for p in parameters}
        open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters)
    if not inspect.isclass(thing):
        return None if open_ended and thing.__name__ != "compile" else found
    if issubclass(thing, (layers.Layer, optimizers.Optimizer)):
        found |= COMMON
    return found


def _of_word(label: str, word: str, value, node) -> Iterator[str]:
    check = WORDS.get(word)
    words = value.elts if isinstance(value, (ast.List, ast.Tuple)) else [value]
    for one in words if check is not None else ():
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            try:
                check(one.value)
            except MinicnnError:
                yield f"{word}={one.value!r}"


def _of_path(name: str, node: ast.Call, given: dict) -> Iterator[str]:
    if name not in ENDINGS:
        return
    path = node.args[0] if node.args else next((given[k] for k in ("filepath", "path") if k in given), None)
    if not (isinstance(path, ast.Constant) and isinstance(path.value, str)):
        return
    ending = Path(path.value).suffix if "}" not in Path(path.value).suffix else ""
    only = given.get("save_weights_only")
    weights = "weights" in name or (isinstance(only, ast.Constant) and only.value is True)
    allowed = WEIGHTS if weights else ENDINGS[name] or (".minicnn", ".keras", ".h5", ".hdf5", ".safetensors")
    if ending not in allowed:
        yield f"{name}: a file that ends in {ending or 'nothing'}"


def sources(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every script and notebook, as Python."""
    for path in sorted((*folder.rglob("*.py"), *folder.rglob("*.ipynb"))):
        try:
            text = path.read_text("utf-8")
            if path.suffix == ".ipynb":
                cells = json.loads(text)["cells"]
                text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
        except (OSError, ValueError, KeyError, TypeError):
            continue
        yield path, text


def count(folder: Path) -> tuple[dict[Path, set[str]], int]:
    """(file -> what it lacks, of those that use Keras; how many are no Python 3)."""
    found, unread = {}, 0
    for path, text in sources(folder):
        try:
            missing = lacks(text)
        except (SyntaxError, ValueError, RecursionError):
            unread += 1
            continue
        if missing is not None:
            found[path] = missing
    return found, unread


def main(words: list[str] | None = None) -> int:
    """0; 2 for a folder without scripts that use Keras."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", action="store_true", help="also what each file lacks")
    parser.add_argument("--most", type=int, default=40, help="how many of what is missing are listed (40)")
    given = parser.parse_args(words)
    found, unread = count(given.folder)
    if not found:
        print(f"{given.folder}: no script that uses Keras ({unread} files are no Python 3)", file=sys.stderr)
        return 2
    covered = sum(not missing for missing in found.values())
    print(f"{len(found)} scripts use Keras ({unread} more are no Python 3)")
    print(f"{covered} of them ({100 * covered / len(found):.0f} %) need nothing that is missing\n")
    most = collections.Counter(one for missing in found.values() for one in missing)
    alone = collections.Counter(*[[next(iter(m)) for m in found.values() if len(m) == 1]])
    print("scripts  alone  missing")
    for what, n in most.most_common(given.most):
        print(f"{n:7}  {alone[what]:5}  {what}")
    if given.files:
        print()
        for path, missing in found.items():
            print(f"{path.relative_to(given.folder)}: {', '.join(sorted(missing)) or 'nothing is missing'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
