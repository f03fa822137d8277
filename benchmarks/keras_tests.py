"""Keras's own unit tests, run against minicnn: passed, out of scope by what is declared, failed.

    python benchmarks/keras_tests.py                      every file of FILES; ends with 1 where a case fails
    python benchmarks/keras_tests.py conv_test losses     files whose path holds one of these words
    python benchmarks/keras_tests.py -v conv_test         each case that did not pass, with its last line

Needs the extra parity: the files are read where the keras package is installed. They are not changed and not copied: of
each module the imports of Keras are read as imports of minicnn.keras, and its TestCase is ours, below, which makes the
same checks through minicnn. Nothing of Keras's layers, losses, metrics, optimizers or models takes part in an answer.
Of an error that a case expects its type counts, not Keras's sentence; a note on stderr is a warning. What Keras keeps
in private attributes is read from where minicnn keeps it (PRIVATE).

A case is out of scope where it uses something of which minicnn says itself that it lacks it, or where DECLARED has it,
with a line that docs/keras-differences.md holds. A line of DECLARED that no case needs is a failure too.
"""

import argparse
import ast
import collections
import contextlib
import fnmatch
import functools
import importlib
import importlib.util
import io
import json
import math
import os
import shutil
import sys
import tempfile
import types
import unittest
import warnings
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")  # of the few helpers of Keras's tests that import it
os.environ.setdefault("JAX_PLATFORMS", "cpu")
ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
from absl.testing import parameterized  # noqa: E402
from keras_tests_declared import ABSENT, DECLARED  # noqa: E402

from minicnn import Parameter, Tensor, initializers  # noqa: E402
from minicnn import keras as ours  # noqa: E402
from minicnn.errors import UnsupportedError  # noqa: E402

# Functions of shapes, of lists in lists, and of paths: what a case expects is made with them.
HELPERS = ("backend.common.backend_utils", "tree", "utils.file_utils")
TABLE = ROOT / "docs" / "keras-differences.md"
_FILES = """
    activations/activations_test  callbacks/*_test  constraints/constraints_test
    initializers/constant_initializers_test  initializers/random_initializers_test
    layers/activations/*_test  layers/convolutional/*_test  layers/core/dense_test  layers/core/identity_test
    layers/core/input_layer_test  layers/core/lambda_layer_test  layers/merging/*_test  layers/normalization/*_test
    layers/pooling/*_test  layers/regularization/*_test  layers/reshaping/*_test
    layers/preprocessing/normalization_test  layers/preprocessing/rescaling_test
    layers/preprocessing/image_preprocessing/*_test
    losses/*_test  metrics/*_test  models/cloning_test  models/functional_test  models/model_test
    models/sequential_test  optimizers/*_test  optimizers/schedules/*_test  regularizers/regularizers_test
    utils/numerical_utils_test  utils/image_dataset_utils_test
"""
FILES = _FILES.split()


# What takes Keras's place -------------------------------------------------------------------------------------------

be = Tensor(np.zeros(1, np.float32)).be
Symbol, Missing = type(ours.Input((1,))), type(ours.layers.LSTM)
PARTS = ("layers", "models", "losses", "metrics", "optimizers", "optimizers.schedules", "callbacks", "initializers",
         "regularizers", "constraints", "activations", "utils", "saving", "ops", "backend", "random")  # fmt: skip


def variable(value, name="variable", trainable=True, dtype=None, shape=None, **options):
    """backend.Variable: a weight."""
    if callable(value):
        value = value(shape)
    return Parameter(be.asarray(np.asarray(numpy(value), np.float32), be.dtype), be, name, trainable)


def numpy(x):
    if hasattr(x, "numpy") and not isinstance(x, np.ndarray):
        return np.asarray(x.numpy())
    return np.asarray(x)


class Symbols(type):
    """Whose instances are minicnn's symbols."""

    def __instancecheck__(cls, instance):
        return isinstance(instance, Symbol)


class keras_tensor(metaclass=Symbols):
    """backend.KerasTensor: a symbol."""

    def __new__(cls, shape, dtype=None, sparse=False, ragged=False, name=None, **options):
        if sparse or ragged:
            raise UnsupportedError("minicnn has no sparse or ragged tensors")
        if len(shape) < 2 or (dtype not in (None, "float32")):
            raise UnsupportedError("minicnn has no symbol of samples without axes, or of another type than float32")
        return ours.Input(batch_shape=shape, name=name)


class Place:
    """A module of Keras's by its path: its names are looked for in minicnn.keras under the same path, then anywhere."""

    def __init__(self, path: str, own: dict | None = None):
        self.__dict__.update(own or {})
        self._path = path

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        return found(self._path, name)


def is_module(path: str) -> bool:
    """Whether Keras has a module of this path."""
    with contextlib.suppress(ModuleNotFoundError):
        return importlib.util.find_spec(f"keras.src.{path}") is not None
    return False


@functools.cache
def of_test(path: str) -> types.ModuleType:
    """A test file from which another one takes its helpers."""
    base = Path(importlib.util.find_spec("keras").submodule_search_locations[0]) / "src"
    return load(base / (path.replace(".", "/") + ".py"), "minicnn_under_" + path.replace(".", "_"))


def found(path: str, name: str):
    whole = f"{path}.{name}".strip(".")
    if whole in SPECIAL:
        return SPECIAL[whole]
    if path.endswith("_test"):
        return getattr(of_test(path), name)
    if path in HELPERS and hasattr(theirs := importlib.import_module(f"keras.src.{path}"), name):
        return getattr(theirs, name)
    if not name[0].isupper() and is_module(whole):
        return Place(whole)
    top = path.split(".")[0]
    for part in (path, top, *PARTS):
        module = sys.modules.get(f"minicnn.keras.{part}") if part else ours
        for name_of in (name, name.lower()) if part == "backend" else (name,):
            thing = getattr(module, name_of, None)
            if thing is not None and not isinstance(thing, types.ModuleType):
                return thing
    return Missing(f"keras.{whole}")


def standardize_dtype(dtype):
    return np.dtype(getattr(dtype, "name", dtype)).name


class Case(parameterized.TestCase):
    """testing.TestCase: the same checks, each made with minicnn."""

    maxDiff = None

    def setUp(self):
        ours.backend.clear_session()
        ours.backend.set_image_data_format("channels_last")
        ours.utils.set_random_seed(0)

    def assertEqual(self, first, second, msg=None):
        first, second = (numpy(x)[()] if isinstance(x, Tensor) else x for x in (first, second))
        super().assertEqual(first, second, msg)

    def assertRaisesRegex(self, expected_exception, expected_regex, *args, **kwargs):
        return self.assertRaises(expected_exception, *args, **kwargs)  # noqa: PT027 (unittest's)

    @contextlib.contextmanager
    def assertWarns(self, expected_warning=Warning):
        said = io.StringIO()
        sys.modules["minicnn.notes"]._said.clear()  # each is said once in a process
        with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stderr(said):
            warnings.simplefilter("always")
            yield
        self.assertTrue("minicnn: " in said.getvalue() or any(issubclass(w.category, expected_warning) for w in caught),
                        "no warning and no note")  # fmt: skip

    def assertWarnsRegex(self, expected_warning, expected_regex):
        return self.assertWarns(expected_warning)

    def get_temp_dir(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        return folder

    def convert_to_numpy(self, x):
        return numpy(x)

    def assertAllClose(self, actual, desired, atol=1e-6, rtol=1e-6, tpu_atol=None, tpu_rtol=None, msg=None):
        np.testing.assert_allclose(numpy(actual), numpy(desired), atol=atol, rtol=rtol, err_msg=msg or "")

    def assertNotAllClose(self, x1, x2, atol=1e-6, rtol=1e-6, msg=None):
        a, b = numpy(x1), numpy(x2)
        self.assertFalse(a.shape == b.shape and np.allclose(a, b, atol=atol, rtol=rtol), msg)

    def assertAlmostEqual(self, actual, desired, decimal=3, tpu_decimal=None, msg=None, **other):
        np.testing.assert_almost_equal(numpy(actual), numpy(desired), decimal=decimal, err_msg=msg or "")

    def assertAllEqual(self, actual, desired, msg=None):
        np.testing.assert_array_equal(numpy(actual), numpy(desired), err_msg=msg or "")

    def assertLen(self, iterable, expected_len, msg=None):
        self.assertEqual(len(iterable), expected_len, msg)

    def assertSparse(self, x, sparse=True):
        self.assertFalse(sparse, "minicnn has no sparse tensors")

    def assertRagged(self, x, ragged=True):
        self.assertFalse(ragged, "minicnn has no ragged tensors")

    def assertDType(self, x, dtype, msg=None):
        self.assertEqual(standardize_dtype(x.dtype), standardize_dtype(dtype), msg)

    def assertFileExists(self, path):
        self.assertTrue(Path(path).is_file(), path)

    def run_class_serialization_test(self, instance, custom_objects=None):
        config = instance.get_config()
        with ours.saving.custom_object_scope(custom_objects or {}):
            again = type(instance).from_config(json.loads(json.dumps(config)))
        self.assertEqual(json.dumps(config), json.dumps(again.get_config()))
        self.assertEqual(set(dir(instance)), set(dir(again)))
        return again

    def run_layer_test(self, layer_cls, init_kwargs, input_shape=None, input_dtype=None, input_sparse=False,
                       input_ragged=False, input_data=None, call_kwargs=None, expected_output_shape=None,
                       expected_output_dtype=None, expected_output=None, expected_num_trainable_weights=None,
                       expected_num_non_trainable_weights=None, expected_num_losses=None, run_training_check=True,
                       custom_objects=None, **others):  # fmt: skip
        """Weights, shapes, values, a step of training and the way through get_config, as Keras's method does."""
        if input_sparse or input_ragged or others.get("expected_mask_shape"):
            raise UnsupportedError("minicnn has no sparse or ragged tensors and no masks")
        call_kwargs = dict(call_kwargs or {})
        made = layer_cls(**init_kwargs)
        self.run_class_serialization_test(made, custom_objects)
        if input_shape is None and input_data is None:
            return
        first = input_shape if input_shape is not None else input_data
        several = isinstance(first, list) or (isinstance(first, tuple) and isinstance(first[0], (tuple, list)))
        if input_data is None:
            rng = np.random.default_rng(0)
            shapes = input_shape if several else [input_shape]
            data = [rng.uniform(0, 3, shape).astype(input_dtype or "float32") for shape in shapes]
        else:
            data = [numpy(one) for one in (input_data if several else [input_data])]
        given = data if several else data[0]

        def weights_are_as_expected(layer):
            self.assertTrue(layer.built)
            for expected, weights in (
                (expected_num_trainable_weights, layer.trainable_weights),
                (expected_num_non_trainable_weights, layer.non_trainable_weights),
            ):
                if expected is not None:
                    self.assertLen(weights, expected)

        def shape_is_as_expected(y, open_batch=False):
            shapes = expected_output_shape if isinstance(expected_output_shape, list) else [expected_output_shape]
            for shape, one in zip(shapes, y if isinstance(y, list) else [y], strict=True):
                if shape is not None:
                    want, have = tuple(shape), tuple(one.shape)
                    self.assertEqual(want[1:] if open_batch else want, have[1:] if open_batch else have)

        layer = layer_cls(**init_kwargs)  # on symbols, each batch size open
        symbols = [keras_tensor((None, *x.shape[1:])) for x in data]
        y = layer(symbols if several else symbols[0], **call_kwargs)
        shape_is_as_expected(y, open_batch=True)
        model = ours.Model(symbols, y)
        weights_are_as_expected(layer)

        layer = layer_cls(**init_kwargs)
        y = layer(given, **call_kwargs)
        weights_are_as_expected(layer)
        shape_is_as_expected(y)
        if expected_output_dtype is not None:
            self.assertDType(y, expected_output_dtype)
        if expected_output is not None:
            self.assertAllClose(y, expected_output)
        if expected_num_losses is not None:
            self.assertLen(layer.losses, expected_num_losses)
        if run_training_check and not isinstance(y, (list, dict)):
            model.compile(optimizer="sgd", loss=lambda y_true, y_pred: ours.ops.mean(y_pred, axis=-1))
            ours_loss = model.fit(data if len(data) > 1 else data[0], numpy(y), batch_size=len(data[0]), verbose=0)
            self.assertLen(ours_loss.history["loss"], 1)


def clipped(optimizer, gradients):
    """_clip_gradients: as a step clips them."""
    weights = [Parameter(np.zeros(np.shape(g), np.float32), be, f"w{i}/w") for i, g in enumerate(gradients)]
    optimizer.build(weights)
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.grad = be.asarray(numpy(gradient), be.dtype)
    optimizer._gather()
    optimizer._clip()
    return [weight.grad_buffer for weight in weights]


def slot_of(name):
    return property(lambda optimizer: [v for v in optimizer.variables[1:] if getattr(v, "path", "").endswith(name)])


# Of optimizers: Keras's private attribute -> the same thing of ours.
PRIVATE = {
    "_clip_gradients": clipped, "_model_variables_moving_average": slot_of("_average"),
    "_accumulated_gradients": slot_of("_accumulated"), "_iterations": property(lambda self: self.iterations),
    "_u_product": property(
        lambda self: np.float32(math.prod(self._mu(t + 1) for t in range(self.iterations)))),
}  # fmt: skip


def flat(model):
    """_flatten_layers: the model, its layers, and in place of models theirs too."""
    yield model
    for layer in model.layers:
        yield from flat(layer) if isinstance(layer, ours.Model | ours.Sequential) else (layer,)


def built(metric, *shapes):
    """_build: by a batch of such shapes."""
    if None in shapes[0]:
        raise UnsupportedError("minicnn has no metrics of outputs whose shape is open")
    metric.update_state(*map(np.zeros, shapes))


for _name, _thing in PRIVATE.items():
    setattr(ours.optimizers.Optimizer, _name, _thing)
for _kind in (ours.Model, ours.Sequential):
    _kind._operations, _kind._flatten_layers = property(lambda self: self.operations), flat
ours.Sequential._functional = property(lambda self: ours.Model(self.inputs, self.outputs))
ours.metrics.Metric._dtype = "float32"
ours.metrics.FBetaScore._build = built


def on_symbols(layer, *args, **kwargs):
    """compute_output_spec: what a layer makes of symbols."""
    if not isinstance(layer, ours.layers.Layer):
        raise UnsupportedError("minicnn has no shapes of what a metric or a function makes of symbols")
    return layer(*args, **kwargs)


BACKEND = Place("backend", {
    "Variable": variable, "KerasTensor": keras_tensor, "backend": lambda: "minicnn", "standardize_dtype":
    standardize_dtype, "is_tensor": lambda x: isinstance(x, Tensor), "convert_to_numpy": numpy,
    "is_float_dtype": lambda dtype: np.dtype(dtype).kind == "f", "is_keras_tensor": lambda x: isinstance(x, Symbol),
    "convert_to_tensor": lambda x, dtype=None, **o: ours.ops.convert_to_tensor(x), "shape": lambda x: numpy(x).shape,
    "config": Place("backend.config"), "common": Place("backend.common", {"KerasTensor": keras_tensor}),
    "random": Place("random"), "standardize_shape": tuple, "compute_output_spec": on_symbols,
    "SUPPORTS_SPARSE_TENSORS": False, "SUPPORTS_RAGGED_TENSORS": False, "SUPPORTS_COMPLEX_DTYPES": False,
})  # fmt: skip


def get_test_data(*args, **kwargs):
    from keras.src.testing.test_utils import get_test_data as theirs  # NumPy's numbers and nothing else

    return theirs(*args, **kwargs)


def named_product(*args, **kwargs):
    from keras.src.testing.test_utils import named_product as theirs  # of names and nothing else

    return theirs(*args, **kwargs)


TESTING = Place("testing", {
    "TestCase": Case, "test_case": Place("testing.test_case", {"TestCase": Case}), "named_product": named_product,
    "test_utils": Place("testing.test_utils", {"named_product": named_product, "get_test_data": get_test_data}),
    **{f"{name}uses_{device}": lambda: False for name in ("", "jax_", "tensorflow_", "torch_")
       for device in ("gpu", "tpu")},
})  # fmt: skip
SPECIAL = {
    "backend": BACKEND, "testing": TESTING, "testing.test_case": TESTING.test_case,
    "testing.test_utils": TESTING.test_utils, "testing.test_utils.named_product": named_product,
    "backend.common.keras_tensor.KerasTensor": keras_tensor, "backend.KerasTensor": keras_tensor,
    "backend.common.KerasTensor": keras_tensor,
    "Model": ours.Model, "Sequential": ours.Sequential, "models.model.Model": ours.Model,
    "models.functional.Functional": ours.Model, "models.Functional": ours.Model, "Input": ours.Input,
}  # fmt: skip
SPECIAL |= {
    "initializers.random_initializers.compute_fans": initializers.fans,
    "metrics.metrics_utils.AUCCurve": types.SimpleNamespace(ROC="ROC", PR="PR", PRGAIN="PRGAIN"),
    "metrics.metrics_utils.AUCSummationMethod": types.SimpleNamespace(
        INTERPOLATION="interpolation", MINORING="minoring", MAJORING="majoring"),
    "dtype_policies.dtype_policy.dtype_policy": lambda: "float32",
    "dtype_policies.dtype_policy.set_dtype_policy": ours.backend.set_floatx,
}  # fmt: skip
SPECIAL |= {part: Place(part) for part in PARTS if part != "backend"}
SPECIAL |= {"": Place("")}


ELSEWHERE = {"tensorflow": ours.tf, "grain": Missing("grain")}


def elsewhere(path: str, *names: str):
    """What is imported from TensorFlow is what scripts find in its place; of grain there is nothing."""
    top, *inside = path.split(".")
    try:
        return functools.reduce(getattr, (*inside, *names), ELSEWHERE[top])
    except UnsupportedError:  # whose cases may well do without it
        return Missing(".".join((path, *names)))


class Imports(ast.NodeTransformer):
    """`from keras.src.x import a as b` -> `b = __ours__("x", "a")`, wherever it stands."""

    @staticmethod
    def _inside(path: str) -> str:
        return path.removeprefix("keras").removeprefix(".src").removeprefix(".")

    def visit_ImportFrom(self, node):
        module = node.module or ""
        if module.split(".")[0] in ELSEWHERE:
            names = [f"{one.asname or one.name} = __elsewhere__({module!r}, {one.name!r})" for one in node.names]
            return [ast.copy_location(ast.parse(line).body[0], node) for line in names]
        if module == "conftest":
            return ast.parse(f"{node.names[0].asname or node.names[0].name} = __undecorated__").body
        if module.split(".")[0] != "keras":
            return node
        lines = [f"{one.asname or one.name} = __ours__({self._inside(module)!r}, {one.name!r})" for one in node.names]
        return [ast.copy_location(ast.parse(line).body[0], node) for line in lines]

    def visit_Import(self, node):
        if all(one.name.split(".")[0] in ELSEWHERE for one in node.names):
            names = [(one.asname or one.name, one.name) for one in node.names]
            return [ast.copy_location(ast.parse(f"{a} = __elsewhere__({b!r})").body[0], node) for a, b in names]
        if not any(one.name.split(".")[0] == "keras" for one in node.names):
            return node
        return ast.copy_location(ast.parse('keras = __ours__("", "")').body[0], node)


def undecorated(*conditions):
    """skip_if_backend(...): of backends that are not this one."""
    return lambda function: function


def load(path: Path, name: str) -> types.ModuleType:
    """The module of a test file, whose Keras is minicnn."""
    tree = ast.fix_missing_locations(Imports().visit(ast.parse(path.read_text("utf-8"))))
    module = types.ModuleType(name)
    module.__file__ = str(path)
    module.__dict__.update(__ours__=found, __undecorated__=undecorated, __elsewhere__=elsewhere)
    sys.modules[name] = module
    exec(compile(tree, str(path), "exec"), module.__dict__)
    return module


# Running and counting -----------------------------------------------------------------------------------------------


def marked(function) -> str:
    """The reason of a pytest mark that leaves a case out, "" where none does."""
    for mark in [*getattr(function, "pytestmark", [])]:
        if mark.name == "skip" or (mark.name == "skipif" and any(mark.args)):
            return mark.kwargs.get("reason", "Keras skips it")
    return ""


def outcome(case: unittest.TestCase) -> tuple[str, str]:
    """("passed" | "skipped" | "absent" | "failed", the last line)."""
    method = getattr(case, case._testMethodName)
    why = marked(method) or marked(type(case))
    if why:
        return "skipped", why
    result = unittest.TestResult()
    said = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        warnings.simplefilter("ignore")
        case.run(result)
    if result.skipped:
        return "skipped", result.skipped[0][1]
    broken = result.errors + result.failures
    if not broken:
        return "passed", ""
    text = broken[0][1].strip()
    last = next((line for line in reversed(text.splitlines()) if line and not line.startswith(" ")), "")
    if last.startswith("Skipped:"):  # pytest.skip, which unittest takes for an error
        return "skipped", last
    if "UnsupportedError" in text and "minicnn has no" in text:
        return "absent", last
    return "failed", last + (f"   [{where(text)}]" if where(text) else "")


def where(trace: str) -> str:
    """The last line of the test file in a trace."""
    lines = [line for line in trace.splitlines() if "_test.py" in line and "line" in line]
    return lines[-1].split("line ")[1].split(",")[0] if lines else ""


def cases(suite) -> list[unittest.TestCase]:
    return [one for part in suite for one in (cases(part) if isinstance(part, unittest.TestSuite) else [part])]


def main(words: list[str] | None = None) -> int:
    """0 where nothing failed and every declared difference was needed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="of the files' paths; none: all files")
    parser.add_argument("-v", "--verbose", action="store_true", help="list every case that did not pass")
    options = parser.parse_args(words)
    base = Path(importlib.util.find_spec("keras").submodule_search_locations[0]) / "src"
    files = sorted({p for pattern in FILES for p in base.glob(pattern + ".py")})
    files = [p for p in files if not options.words or any(word in str(p.relative_to(base)) for word in options.words)]
    said = TABLE.read_text("utf-8")
    unsaid = [text for *_, text in DECLARED if text not in said and text not in ABSENT]
    for text in unsaid:
        print(f"DECLARED names what {TABLE.name} does not hold: {text}")
    counts, needed, failures = collections.Counter(), set(), 0
    for path in files:
        name = str(path.relative_to(base).with_suffix(""))
        of_file = collections.Counter()
        try:
            module = load(path, "minicnn_under_" + name.replace("/", "_"))
        except Exception as problem:
            row = next((row for row in DECLARED if fnmatch.fnmatch(f"{name}:*", row[0])), None)
            kind = "absent" if "minicnn has no" in str(problem) else "declared" if row else "failed"
            print(f"{name}: {kind}: not loaded: {type(problem).__name__}: {problem}")
            needed.add(row)
            counts[kind] += 1
            failures += kind == "failed"
            continue
        for case in cases(unittest.defaultTestLoader.loadTestsFromModule(module)):
            kind, last = outcome(case)
            full = f"{name}:{type(case).__name__}.{case._testMethodName}"
            row = next((row for row in DECLARED if fnmatch.fnmatchcase(full, row[0])), None)
            if kind == "skipped":  # a package is not there, with which the case would be run
                needed.add(row)
            if kind == "failed" and row:
                kind, last = "declared", row[1]
                needed.add(row)
            of_file[kind] += 1
            if kind == "failed" or (options.verbose and kind != "passed"):
                print(f"  {kind:8} {full}\n           {last[:230]}", flush=True)
        counts += of_file
        failures += of_file["failed"]
        print(f"{name}: " + ", ".join(f"{n} {kind}" for kind, n in sorted(of_file.items())), flush=True)
    idle = [] if options.words else [row for row in DECLARED if row not in needed]
    for row in idle:
        print(f"DECLARED has what no case needs: {row[0]}")
    out = counts["declared"] + counts["absent"]
    print(f"\n{counts['passed']} passed, {out} out of scope ({counts['declared']} by a declared difference, "
          f"{counts['absent']} use what minicnn says it lacks), {counts['skipped']} left out by Keras itself, "
          f"{counts['failed']} failed")  # fmt: skip
    return 1 if failures or idle or unsaid or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
