"""The package from outside: what is installed, what `import minicnn` costs, which names others rely on."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import pytest

import minicnn
from minicnn.__main__ import COMMANDS, main

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_folder_is_a_package_that_is_installed():
    folders = {p.parent.relative_to(ROOT) for top in ("minicnn", "kernels") for p in (ROOT / top).rglob("*.py")}
    names = {".".join(f.parts) for f in folders if "__pycache__" not in f.parts}
    listed = set(PROJECT["tool"]["setuptools"]["packages"])
    sources = {"minicnn.kernels" + n[len("kernels") :] if n.split(".")[0] == "kernels" else n for n in names}
    assert sources <= listed
    assert listed - sources <= {"minicnn.kernels.cuda"}  # holds *.cu alone
    for name in listed - {"minicnn.kernels.cuda"}:
        folder = ROOT / (name.removeprefix("minicnn.") if name.startswith("minicnn.kernels") else name).replace(
            ".", "/"
        )
        assert (folder / "__init__.py").is_file(), name
    assert PROJECT["tool"]["setuptools"]["package-dir"] == {"minicnn.kernels": "kernels"}
    assert (ROOT / "minicnn" / "py.typed").is_file()


def test_version():
    assert minicnn.__version__ == PROJECT["project"]["version"]


def test_import_is_light():
    """Nothing heavy before it is used: not even NumPy."""
    heavy = ["numba", "pandas", "matplotlib", "sklearn", "tqdm", "safetensors", "numpy", "minicnn.training"]
    assert run(f"import sys, minicnn; print([m for m in {heavy} if m in sys.modules])") == "[]\n"


def test_a_model_and_the_reports_load_nothing_heavy_before_they_need_it():
    heavy = ["pandas", "matplotlib", "sklearn", "jax", "keras", "tensorflow", "torch"]
    used = "minicnn.Sequential, minicnn.reports, minicnn.io"
    assert run(f"import sys, minicnn; {used}; print([m for m in {heavy} if m in sys.modules])") == "[]\n"


@pytest.mark.parametrize("name", minicnn.__all__)
def test_every_listed_name_exists(name):
    assert getattr(minicnn, name) is not None
    assert name in dir(minicnn)


def test_type_checkers_see_the_names_that_are_loaded_on_first_use():
    (block,) = (node for node in ast.parse((ROOT / "minicnn/__init__.py").read_text("utf-8")).body
                if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")  # fmt: skip
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    homes = {alias.name: node.module or alias.name for node in imports for alias in node.names}
    lazy = set(minicnn.__all__) - {"__version__", "errors"}
    assert homes == {name: minicnn._HOME.get(name, name) for name in lazy}


# Names of minicnn.keras are found on first use; what a kernel set offers is listed in the contract.
UNLISTED = {"minicnn.keras", "minicnn.kernels.cuda", "minicnn.kernels.numba_cpu", "minicnn.kernels.numpy_ref"}


@pytest.mark.parametrize("name", sorted(set(PROJECT["tool"]["setuptools"]["packages"]) - UNLISTED))
def test_a_package_lists_its_public_names_and_nothing_that_it_imports(name):
    package = importlib.import_module(name)
    listed = getattr(package, "__all__", [])
    assert len(set(listed)) == len(listed)
    for one in listed:
        value = getattr(package, one)
        home = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", "minicnn")
        assert home.split(".")[0] == "minicnn", one
    names = {one for one, value in vars(package).items() if one[0] != "_" and not isinstance(value, types.ModuleType)}
    own = {one for one in names if getattr(getattr(package, one), "__module__", None) == name}
    assert own <= set(listed)
    assert not names or hasattr(package, "__all__")


def test_unknown_names_are_attribute_errors():
    assert not hasattr(minicnn, "Sequentiel")
    with pytest.raises(AttributeError, match="module 'minicnn' has no attribute 'Sequentiel'"):
        minicnn.Sequentiel  # noqa: B018


def test_kernels_are_loaded_once():
    from minicnn import kernels
    from minicnn.backend import base

    assert base.kernels is kernels
    assert kernels.__name__ == "minicnn.kernels"


PROMISED = {
    "": "Sequential Input layers optimizers losses metrics initializers callbacks data to_categorical check_grad "
    "errors load_model model_from_json",
    "Sequential": "add pop summary compile fit evaluate predict get_weights set_weights count_params metrics_names "
    "train_on_batch test_on_batch predict_on_batch stop_training build layers get_layer save_weights load_weights "
    "save to_json get_config from_config fit_generator predict_classes trainable_weights non_trainable_weights "
    "weights __call__",
    "layers": "Conv2D MaxPooling2D MaxPool2D AveragePooling2D BatchNormalization Dropout Dense Flatten "
    "ZeroPadding2D PReLU Activation ReLU Softmax LeakyReLU ELU SpatialDropout2D AlphaDropout GaussianDropout",
    "optimizers": "Adam RMSprop SGD Adagrad Adadelta Adamax Nadam",
    "callbacks": "Callback History ReduceLROnPlateau EarlyStopping",
    "data": "ImageDataGenerator kaggle_digits mnist digits train_test_split",
    "errors": "MinicnnError",
    "initializers": "get GlorotUniform HeNormal Zeros Ones",
    "losses": "get CategoricalCrossentropy SparseCategoricalCrossentropy BinaryCrossentropy MeanSquaredError "
    "MeanAbsoluteError",
}


@pytest.mark.parametrize(("owner", "names"), PROMISED.items(), ids=lambda v: v if " " not in v else "")
def test_promised_names(owner, names):
    home = getattr(minicnn, owner) if owner else minicnn
    if owner == "Sequential":
        home = minicnn.Sequential()
    missing = [name for name in names.split() if not hasattr(home, name)]
    assert not missing


def test_signature_of_sequential():
    import inspect

    parameters = inspect.signature(minicnn.Sequential).parameters
    text = ", ".join(f"{p.name}={p.default}" for p in parameters.values())
    ours = "device=cpu, kernels=auto, threads=None, precision=None, graph=True, nan_check=epoch"
    assert text == f"layers=None, name=None, seed=None, {ours}"
    assert all(
        parameters[name].kind is inspect.Parameter.KEYWORD_ONLY for name in ("seed", "device", "kernels", "threads")
    )


def test_fit_takes_keras_s_arguments_in_keras_s_order():
    import inspect

    names = list(inspect.signature(minicnn.Sequential.fit).parameters)[1:]
    assert names.pop() == "checkpoint"  # ours
    assert " ".join(names) == (
        "x y batch_size epochs verbose callbacks validation_split validation_data shuffle class_weight sample_weight "
        "initial_epoch steps_per_epoch validation_steps validation_batch_size validation_freq"
    )


def test_the_installed_command_is_the_module_s_main():
    (script,) = PROJECT["project"]["scripts"].items()
    assert script == ("minicnn", "minicnn.__main__:main")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([name, "--help"])
    assert stopped.value.code == 0
    assert f"usage: minicnn {name} " in capsys.readouterr().out
    assert main(["--help"]) == 0
    assert f"\n    {name} " in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["help"], ["-h"]])
def test_who_names_no_command_is_told_which_there_are(words, capsys):
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert all(f"\n    {name} " in shown for name in COMMANDS)


def test_a_command_that_is_none_is_refused_with_the_nearest(capsys):
    assert main(["trian"]) == 2
    line = (f"minicnn: expected one of {', '.join(COMMANDS)}, received 'trian'; did you mean \"train\"?; "
            "minicnn --help explains them\n")  # fmt: skip
    assert capsys.readouterr().err == line


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("train --epocs 3", "--epochs"), ("train --batchsize=3", "--batch-size"), ("recipe x --devise cpu", "--device"),
        ("train --device cuad", "cuda"), ("doctor --devise cpu", "--device"), ("doctor --device gpu", None),
        ("explain m --lyer x", "--layer"), ("report m --ot x", "--out"), ("play m --prot 1", "--port"),
        ("port x --oot y", "--out"), ("predict m --zzzz", None),
    ],
)  # fmt: skip
def test_a_flag_that_is_none_is_refused_with_the_nearest(line, meant, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(line.split())
    said = capsys.readouterr().err
    assert stopped.value.code == 2
    assert said.count("\n") == 1
    assert re.findall(r'did you mean "(.*)"\?', said) == ([meant] if meant else [])
