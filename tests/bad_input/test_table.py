"""One table over every public callable and every argument: what is refused, in which words, and that nothing changes.

table.py says what each argument is, kinds.py what that means. A new callable, or a new argument, without an entry fails
here. Nothing is compiled: whatever is refused is refused before anything is computed.
"""

import functools
import inspect
import re
import types

import numpy as np
import pytest

import minicnn
from minicnn import callbacks, errors, layers, losses, optimizers, recipes, records
from minicnn.core.tensor import Parameter, Tensor

from ..training.networks import state
from .table import LABELS, TABLE, made_model

# What the engine itself calls, with what it has made or checked: names of methods -> by whom.
PROTOCOL = {
    r"World\.(share|any|check_same|send)": "what fit and checkpoints ask of it",
    r"callbacks\..*\.(on_\w+|set_params|set_model|check_monitor|close|[gs]et_state|resumes_inside)": "fit",
    r"teaching\.Statistics\.(on_\w+|set_state)": "fit",
    r"teaching\.layer_statistics": "what model.trace returns",
    r"callbacks\..*\.(direction|is_improvement|current)": "a Monitor",
    r"layers\..*\.(build|call|preactivation|attach|add_weight|moved|key|op|pool|activation)": "the model",
    r"layers\..*\.(follow|stand_alone|move|gather_loss|pads_for|larger|shape_for|merged|merge)": "the model",
    r"layers\.(add|average|concatenate|dot|maximum|minimum|multiply|subtract)": "the layer of that name",
    r"losses\..*\.(call|pair|values|prepare(_computed)?|reduce|fused)": "the training loop, or a loss of one's own",
    r"metrics\.(Metric|Confusion|Variable|functions)(\.\w+)?": "a base class that only its subclasses call",
    r"metrics\.\w+\.([gs]et_state|values|shares)": "a checkpoint, result",
    r"metrics\.\w+\.update_state": "Metric.update_state, in every way that MeanMetricWrapper's is called",
    r"metrics\.(\w+\.update_from_logits|unique_names)": "the training loop, compile",
    r"(regularizers|constraints)\.\w+\.(__call__|from_config)": "the training loop; load_model",
    r"initializers\..*\.(values|draw)": "Initializer.__call__",
    r"optimizers\..*\.(update|build|device_args|apply|apply_from|get_state|set_state|kernel_args)": "the training loop",
    r"optimizers\..*\.(phase|start_of|end_training|swap_average)": "the training loop",
    r"optimizers\.(Explicit\.\w+|Optimizer\.step)": "the training loop; by hand: optimizers/test_explicit.py",
    r"initializers\.Initializer\.from_config": "initializers.get",
    r"layers\.Layer\.(quantize|quantized_\w+|enable_lora|compute_mask)": "nothing: minicnn has none of it",
    r"losses\.Described\.from_config": "losses.deserialize",
    r"optimizers\.schedules\.\w+\.(__call__|from_config)": "an optimizer; load_model",
    r"data\.ImageDataGenerator\.(augment|matrices)": "a Flow",
    r"data\.Sequence": "classes of one's own; its arguments have no effect",
    r"(ops\.)?(Tensor|Parameter)\.(of|receive|restrain)": "an op, backward, a step",
    r"ops\.(activation|arithmetic|augment|block|color|compare|conv|dense|dropout)\.\w+": "layers",
    r"ops\.(join|loss|mixing|norm|pool|reduce|resize|shape)\.\w+": "layers",
    r"ops\.geometry\.\w+": "layers, once their sizes are checked",
    r"Sequential\.(ensure_built|forward|update_moving_averages|commit|attach|shapes?_for|objective)":
        "the training loop",
    r"Sequential\.(quantize|[gs]et_state_tree)": "nothing: minicnn has none of it",
    r"Sequential\.penalties": "the training loop, for regularizers",
    r"kernels\..*": "the backend: the contract states what it is given",
    r"sklearn\..*": "scikit-learn's own checks of estimators, all of which run: tests/tools/test_sklearn.py",
    r"initializers\.FixedScaling": "a base class of those with a recipe",
    r"recipes\.Recipe": "this file, five times; not by users",
    r"recipes\.check_library": "recipes and records",
    r"records\.Record": "this file, three times; not by users",
    r"data\.digits\.(enlarge|corners)": "load_data, a drawing's frame",
    r"reports\.curves\.draw_rates|io\.history\.columns_of": "draw, write",
    r"reports\.worst\.WorstError": "find",
    r"io\.submission\.shown": "check",
    r"io\.files\.\w+": "readers and writers, once the path is checked",
}


# what is public -------------------------------------------------------------------------------------------------------


def names(module):
    listed = getattr(module, "__all__", None)
    own = [n for n, v in vars(module).items() if n[0] != "_" and getattr(v, "__module__", None) == module.__name__]
    return own if listed is None else [n for n in listed if n[0] != "_"]


def walk(path, thing, found, seen):
    """Every public callable below `thing`, once: path -> it.  A method belongs to the class that defines it."""
    if isinstance(thing, types.ModuleType):
        for name in sorted(names(thing), key=lambda name: getattr(getattr(thing, name), "__name__", name) != name):
            walk(f"{path}.{name}" if path else name, getattr(thing, name), found, seen)
    elif callable(thing) and id(thing) not in seen and (thing.__module__ or "").startswith("minicnn"):
        seen.add(id(thing))
        found[path] = thing
        for base in reversed(thing.__mro__) if isinstance(thing, type) else ():
            if base.__module__.startswith("minicnn"):
                for name, member in vars(base).items():
                    function = getattr(member, "__func__", member)
                    if (
                        inspect.isfunction(function)
                        and id(function) not in seen
                        and (name[0] != "_" or name == "__call__")
                    ):
                        seen.add(id(function))
                        at = (
                            path
                            if base is thing or base.__name__[0] == "_"
                            else f"{path.rpartition('.')[0]}.{base.__name__}"
                        )
                        found[f"{at if path != 'Sequential' else path}.{name}".lstrip(".")] = function


def public():
    found, seen = {}, set()
    def place(name):  # Sequential before Model, whose methods go by its name
        return isinstance(getattr(minicnn, name), types.ModuleType), name == "Model", name

    order = sorted(set(minicnn.__all__) - {"errors"}, key=place)
    for name in order:
        walk(name, getattr(minicnn, name), found, seen)
    return found


PUBLIC = public()


def parameters(thing):
    given = list(inspect.signature(thing).parameters)
    return given[1:] if given[:1] in (["self"], ["cls"]) or thing.__name__ == "<lambda>" else given


def exempt(path):
    return any(re.fullmatch(pattern, path) for pattern in PROTOCOL)


def test_every_public_callable_is_in_the_table():
    lacking = [path for path, thing in PUBLIC.items() if parameters(thing) and path not in TABLE and not exempt(path)]
    assert lacking == [], "add entry(...) or layer(...) to tests/bad_input/table.py, or to PROTOCOL with the reason"


@pytest.mark.parametrize("path", TABLE)
def test_every_argument_has_a_kind(path):
    thing = resolve(path)
    given, stated = inspect.signature(thing).parameters, TABLE[path].arguments
    assert [name for name in parameters(thing) if name not in stated] == []
    takes_more = any(p.kind is p.VAR_KEYWORD for p in given.values())
    assert takes_more or [name for name in stated if name not in given and name != "misspelt"] == []


def test_the_protocol_names_nothing_that_has_gone():
    for pattern in PROTOCOL:
        assert any(re.fullmatch(pattern, path) for path in PUBLIC), pattern


def test_a_new_callable_and_a_new_argument_would_be_noticed(monkeypatch):
    def fresh(a, b=1):
        """Not in the table."""

    fresh.__module__ = "minicnn.losses"
    monkeypatch.setattr(losses, "fresh", fresh, raising=False)
    monkeypatch.setattr(losses, "__all__", [*losses.__all__, "fresh"])
    assert set(public()) - set(PUBLIC) == {"losses.fresh"}
    monkeypatch.setitem(TABLE, "losses.Loss", TABLE["losses.Loss"]._replace(arguments={"reduction": None}))
    with pytest.raises(AssertionError):
        test_every_argument_has_a_kind("losses.Loss")


def resolve(path):
    thing = minicnn
    for name in path.split("."):
        thing = getattr(thing, name)
    return thing


# rows -----------------------------------------------------------------------------------------------------------------


def figure():
    from minicnn.reports.figure import picture

    with picture(1, 1) as made:
        return made


def counts():
    return minicnn.reports.confusion.table(LABELS, LABELS, 3)


def unbuilt():
    return minicnn.Sequential([layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(3)], kernels="numpy_ref")


SUBJECTS = {
    "model": made_model,
    "unbuilt": unbuilt,
    "model class": lambda: minicnn.Sequential,
    "layer": lambda: made_model().layers[0],
    "Dense": lambda: layers.Dense,
    "Lambda": lambda: layers.Lambda,
    "normalization": lambda: layers.Normalization(),
    "initializer": lambda: minicnn.initializers.Zeros(),
    "loss": lambda: losses.CategoricalCrossentropy(),
    "metric": lambda: minicnn.metrics.get("mse"),
    "generator": lambda: minicnn.data.ImageDataGenerator(),
    "recipe": lambda: recipes.valid_conv,
    "record": lambda: records.fashion,
    "optimizer": lambda: optimizers.AdamW(),
    "figure": figure,
    "table": counts,
    "tensor": lambda: Tensor(np.ones((2, 2)), requires_grad=True) * 1.0,
    "parameter": lambda: Parameter(np.ones(2), minicnn.Tensor(np.ones(1)).be, "a/b"),
}
_made = {}


def subject(name):
    if name not in _made:
        _made[name] = SUBJECTS[name]()
    return _made[name]


class Row:
    """One argument of one call, and a value that it may not have."""

    def __init__(self, path, argument, number):
        self.path, self.argument, self.number = path, argument, number
        self.id = f"{path}-{argument}-{number}"

    def __call__(self):
        call, thing = TABLE[self.path], resolve(self.path)
        kind, known = call.arguments[self.argument], signature(thing)
        variadic = self.argument in known and known[self.argument].kind is inspect.Parameter.VAR_KEYWORD
        passed = "misspelt" if variadic else self.argument
        value, says = kind.says(passed, kind.bad[self.number])
        return bound(self.path), arguments(self.path, {passed: value}), says


@functools.cache
def signature(thing):
    """Reading one takes longer than most refusals."""
    return inspect.signature(thing).parameters


def bound(path):
    """The callable, on its subject."""
    on = TABLE[path].subject
    return getattr(subject(on), path.rpartition(".")[2]) if on and not on.startswith("uses ") else resolve(path)


def arguments(path, more):
    """Arguments of a call that is right but for `more`."""
    call = TABLE[path]
    used = call.subject.removeprefix("uses ")
    given = {name: subject(used) if isinstance(value, str) and value == used else value
             for name, value in call.given.items()}  # fmt: skip
    for name, p in signature(resolve(path)).items():
        required = p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        if required and name in call.arguments and name not in given and call.arguments[name].good:
            given[name] = call.arguments[name].good[0]
    return given | more


ROWS = [
    Row(path, name, i)
    for path, call in TABLE.items()
    for name, kind in call.arguments.items()
    for i in range(len(kind.bad))
]


def spread(function, given):
    """Positional where the function has *args."""
    for name, p in signature(function).items():
        if p.kind is p.VAR_POSITIONAL and name in given:
            values = given.pop(name)
            return functools.partial(function, *values), given
    return function, given


def refusal(row):
    """What is wrong with how a row is refused, or None."""
    function, given, says = row()
    model = subject("model")
    before, compiled = (
        state(model),
        (model.optimizer, model.loss, model.metrics, model.layers.copy(), model.stop_training),
    )
    function, given = spread(function, dict(given))
    try:
        made = function(**given)
    except errors.MinicnnError as error:
        problem = None
        if not isinstance(error, (ValueError, TypeError, FileNotFoundError, RuntimeError, ImportError)):
            problem = f"{type(error).__name__} is no error that a Keras user would catch"
        lacking = [word for word in says if word not in str(error)]
        if lacking:
            problem = f"{type(error).__name__}: {error}   LACKS {lacking}"
    except Exception as error:
        problem = f"bare {type(error).__name__}: {error}"
    else:
        problem = f"accepted: {made!r:.60}"
    if state(model) != before or compiled != (
        model.optimizer,
        model.loss,
        model.metrics,
        model.layers,
        model.stop_training,
    ):
        problem = f"{problem}: THE MODEL HAS CHANGED"
        del _made["model"]
    if problem:
        value = f"{given.get(row.argument, given.get('misspelt'))!r:.60}"
        return f"{row.path}({row.argument}={value}): {problem}"
    return None


@pytest.mark.parametrize("path", TABLE)
@pytest.mark.filterwarnings("error")
def test_refused(path, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    problems = [problem for row in ROWS if row.path == path and (problem := refusal(row))]
    assert not problems, f"{len(problems)} rows:\n" + "\n".join(problems)
    assert not list(tmp_path.iterdir())


def plain(thing):
    if hasattr(thing, "get_config"):
        return {key: repr(value) for key, value in thing.get_config().items() if key != "name"}
    return {key: repr(value) for key, value in vars(thing).items() if "object at" not in repr(value)}


@pytest.mark.parametrize("path", [path for path in TABLE if isinstance(resolve(path), type)])
def test_numpy_scalars_are_numbers(path):
    """Whatever a kind calls the same is the same, down to the type of what is kept."""
    problems = []
    for name, kind in TABLE[path].arguments.items():
        first = None
        for value in kind.good:
            try:
                made = plain(resolve(path)(**arguments(path, {name: value})))
            except Exception as error:
                problems.append(f"{path}({name}={value!r}): {type(error).__name__}: {error}")
                continue
            first = made if first is None else first
            if made != first:
                different = {key: (first[key], made[key]) for key in made if made[key] != first[key]}
                problems.append(f"{path}({name}={value!r}): {different}")
    assert not problems, "\n".join(problems)


_ = callbacks
