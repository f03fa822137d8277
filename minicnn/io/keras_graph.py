"""A graph of layers in Keras's words, where calls stand with the layer that is called, and in ours (training/graph.py).

    "inbound_nodes": [{"args": [tensor, 2.0], "kwargs": {"training": false}}, ...]      one for each call; Keras 3
    "inbound_nodes": [[["conv2d", 0, 0, {}]], ...]                                      the same; Keras 2
    tensor    {"class_name": "__keras_tensor__", "config": {"keras_history": ["conv2d", 0, 0], ...}}
    history   layer, index of the call, index of the output
    "input_layers", "output_layers"   histories: one, a list, or a dict; here calls of a graph that is a layer count
                                      from 1, in Keras 2's files everywhere

Source: Keras 3, models/functional.py and ops/node.py.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

from ..errors import ArgumentError, DataError, require
from ..structure import DEPTH, answer, call_numbers, flat, from_file, template_of, to_file

# Keras's operations between layers that ours are too, all of whose arguments are tensors and numbers.
OPS = {"Add": "add", "Subtract": "subtract", "Multiply": "multiply", "Divide": "divide", "Maximum": "maximum",
       "Minimum": "minimum", "Negative": "negative", "Absolute": "absolute", "Exp": "exp", "Log": "log",
       "Sqrt": "sqrt", "Sin": "sin", "Cos": "cos", "Matmul": "matmul"}  # fmt: skip
KERAS_OPS = {ours: theirs for theirs, ours in OPS.items()} | {"power": "Power", "part": "GetItem"}
OPS |= {"TrueDivide": "divide", "Abs": "absolute"}  # other names of Keras's for them
LIMIT = 1_000  # layers of a file
MODELS = ("Functional", "Model", "Sequential")


# ours -> Keras's ------------------------------------------------------------------------------------------------------


def written(config: dict, leaf: Callable[[dict], dict], dtype: str) -> dict:
    """Keras's config of a graph.  leaf(entry of a layer, of a model or of an input) -> Keras's entry."""
    entries = config["layers"]
    names, shapes = [entry["config"]["name"] for entry in entries], config["input_shape"]
    shapes = shapes if len(config["inputs"]) > 1 else [shapes]
    layers, values = [_operation(e) if e["class_name"] == "Operation" else leaf(e) for e in entries], []
    for number, shape in zip(config["inputs"], shapes, strict=True):
        if number is None:  # an output of another model's layer: an input of its own here
            names.append(_free("input_layer", names))
            number = len(layers)
            layers.append(leaf({"class_name": "InputLayer", "config": {"name": names[-1], "shape": shape}}))
        values.append([names[number], 0, 0])
    inputs, nodes = list(values), {name: {} for name in names}
    counts = [len(e["config"]["outputs"]) if "steps" in e["config"] else 1 for e in entries]
    steps = [(number, given, counts[number]) for number, given, *_ in config["steps"]]
    numbered = call_numbers(steps, config["outputs"], len(values))
    for (number, given, listed, training), call in zip(config["steps"], numbered, strict=True):
        tensors = [_tensor(values[i], dtype) for i in given]
        args = _arguments(entries[number], tensors) if entries[number]["class_name"] == "Operation" else \
            [_structured(entries[number]["config"], tensors)] if listed else tensors  # fmt: skip
        nodes[names[number]][call] = {"args": args, "kwargs": {} if training is None else {"training": training}}
        values += [[names[number], call, i] for i in range(counts[number])]
    layers = [layer | {"name": name, "inbound_nodes": [nodes[name][call] for call in sorted(nodes[name])]}
              for name, layer in zip(names, layers, strict=True)]  # fmt: skip
    models = {name for name, entry in zip(names, entries, strict=False) if "steps" in entry["config"]}
    outputs = [[name, call + (name in models), i] for name, call, i in (values[n] for n in config["outputs"])]
    ends = [answer(from_file(said, len(found), "save"), found)
            for said, found in zip(config.get("keys") or [None, None], (inputs, outputs), strict=True)]  # fmt: skip
    return {"name": config["name"], "trainable": True, "layers": layers, "input_layers": ends[0],
            "output_layers": ends[1]}  # fmt: skip


def _structured(config: dict, tensors: list) -> Any:
    """What a layer of several inputs is called on: a list, or the structure that a model takes."""
    said = config["keys"][0] if config.get("keys") else None
    return tensors if said is None else answer(from_file(said, len(tensors), "save"), tensors)


def old(inner: dict) -> dict:
    """The same with Keras 2's words for calls, which Keras 3 reads too.  Raises ArgumentError for numbers in them."""
    return inner | {"layers": [layer | {"inbound_nodes": [_old(layer, node) for node in layer["inbound_nodes"]]}
                               for layer in inner["layers"]]}  # fmt: skip


def _old(layer: dict, node: dict) -> list:
    args = node["args"][0] if isinstance(node["args"][0], list) else node["args"]
    ok = all(isinstance(one, dict) for one in args)
    require(ok and (layer["class_name"] in ("Add", "Subtract", "Multiply", "Maximum", "Minimum") or "dtype" in
                    layer["config"] or "layers" in layer["config"]),
            f"save: {layer['name']}", "layers alone", "an operation between them", "save as .keras or .minicnn",
            error=ArgumentError)  # fmt: skip
    return [[*one["config"]["keras_history"], node["kwargs"]] for one in args]


def _free(name: str, taken: list[str]) -> str:
    return next(one for i in range(len(taken) + 1) if (one := f"{name}_{i}" if i else name) not in taken)


def _tensor(history: list, dtype: str) -> dict:
    return {"class_name": "__keras_tensor__", "config": {"shape": [None], "dtype": dtype, "keras_history": history}}


def _operation(entry: dict) -> dict:
    name, op = entry["config"]["name"], entry["config"]["op"]
    require(op in KERAS_OPS, f"save: {name}", f"one of the operations {', '.join(KERAS_OPS)}", op, "save as .minicnn",
            error=ArgumentError)  # fmt: skip
    return {"module": "keras.src.ops.numpy", "class_name": KERAS_OPS[op], "config": {"name": name},
            "registered_name": KERAS_OPS[op]}  # fmt: skip


def _arguments(entry: dict, tensors: list) -> list:
    config, given = entry["config"], iter(tensors)
    args = [next(given) if one is None else one for one in config["arguments"]]
    ok = all(isinstance(one, (dict, int, float)) for one in args)
    require(ok, f"save: {config['name']}", "an operation on layers' outputs and numbers", "one on an array",
            "save as .minicnn", error=ArgumentError)  # fmt: skip
    static = config["static"]
    return args + ([static["exponent"]] if config["op"] == "power" else
                   [_key(static["key"])] if config["op"] == "part" else [])  # fmt: skip


def _key(key: Any) -> Any:
    if isinstance(key, list):
        return [_key(one) for one in key]
    if isinstance(key, dict) and key["slice"] == "...":
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(key, dict):
        return {"class_name": "__slice__", "config": dict(zip(("start", "stop", "step"), key["slice"], strict=True))}
    return key


# Keras's -> ours ------------------------------------------------------------------------------------------------------


def read(inner: dict, leaf: Callable[[dict], dict], where: str) -> dict:
    """Our config of a graph.  leaf(Keras's entry of a layer, a model or an input) -> our entry.

    Raises DataError, and what a description of another kind makes Python raise.
    """
    entries = inner["layers"]
    require(len(entries) <= LIMIT, where, f"at most {LIMIT} layers", len(entries), error=DataError)
    names = [entry.get("name") or entry["config"]["name"] for entry in entries]
    numbers = {name: i for i, name in enumerate(names)}
    require(len(numbers) == len(names), where, "layers of different names", "two of one name", error=DataError)
    (starts, in_keys), (ends, out_keys) = (histories(inner[key]) for key in ("input_layers", "output_layers"))
    layers, waiting = [], []
    for number, entry in enumerate(entries):
        calls = [_call(node, where) for node in entry.get("inbound_nodes", ())]
        if _is_operation(entry):
            require(len(calls) == 1, where, "one call of an operation", len(calls), error=DataError)
            layers.append(_our_operation(entry, names[number], calls[0][0], where))
            calls = [(list(_histories(calls[0][0])), len(list(_histories(calls[0][0]))) > 1, calls[0][2])]
        else:
            layers.append(leaf(entry))
            calls = [(list(_histories(args)), listed, training) for args, listed, training in calls]
        waiting += [(number, i, *call) for i, call in enumerate(calls)]
    made = Counter(one[0] for one in waiting)
    models = {name: made[i] for name, i in numbers.items() if "steps" in layers[i]["config"]}
    from_1 = {name for one in waiting for name, call, _ in one[2] if call >= models.get(name, call + 1)}
    waiting = [(number, i, [(name, call - (name in from_1), k) for name, call, k in given], *rest)
               for number, i, given, *rest in waiting]  # fmt: skip
    ends = [[name, (call or models[name]) - 1 if name in models else call, k] for name, call, k in ends]
    shapes = [layers[numbers[one[0]]]["config"]["shape"] for one in starts]
    values = {tuple(one): i for i, one in enumerate(starts)}
    steps, count = [], len(starts)
    while waiting:
        ready = [one for one in waiting if all(given in values for given in one[2])]
        require(ready, where, "calls that follow from the inputs", f"{len(waiting)} that do not", error=DataError)
        for number, i, given, listed, training in ready:
            steps.append([number, [values[one] for one in given], listed, training])
            outputs = len(layers[number]["config"]["outputs"]) if "steps" in layers[number]["config"] else 1
            for k in range(outputs):
                values[names[number], i, k] = count
                count += 1
        done = {one[:2] for one in ready}
        waiting = [one for one in waiting if one[:2] not in done]
    return {
        "name": inner["name"], "input_shape": shapes if len(shapes) > 1 else shapes[0], "layers": layers,
        "inputs": [numbers[one[0]] for one in starts], "steps": steps, "outputs": [values[tuple(one)] for one in ends],
        "keys": [in_keys, out_keys],
    }  # fmt: skip


def histories(given: Any) -> tuple[list, Any]:
    """The histories of inputs or outputs in order, and their structure as our files say it."""
    found: list = []

    def met(part: Any, depth: int = 0) -> Any:
        if isinstance(part, dict) and depth < DEPTH:
            return {key: met(one, depth + 1) for key, one in part.items()}
        if isinstance(part, list) and part and not isinstance(part[0], str) and depth < DEPTH:
            return [met(one, depth + 1) for one in part]
        found.append(part)
        return len(found) - 1

    template = met(given)
    return [found[i] for i in flat(template)], to_file(template_of(template))


def _call(node: Any, where: str) -> tuple:
    """(arguments, whether the first is a list, training) of a call."""
    if isinstance(node, dict):
        args, kwargs = node["args"], node.get("kwargs", {})
        listed = len(args) > 0 and (isinstance(args[0], list) or _is_dict(args[0]))
    else:
        kwargs = next((one[3] for one in node if len(one) > 3 and one[3]), {})
        args, listed = [_tensor(one[:3], "float32") for one in node], len(node) > 1
    other = [key for key, value in kwargs.items() if key != "training" and not (key == "mask" and _empty(value))]
    require(not other, where, "calls of layers with a tensor and training", ", ".join(other)[:80], error=DataError)
    training = kwargs.get("training")
    require(training in (None, True, False), where, "training to be true or false", training, error=DataError)
    return args, listed, training if training is None else bool(training)


def _empty(mask: Any) -> bool:
    return mask is None or (isinstance(mask, list) and all(one is None for one in mask))


def _is_dict(value: Any) -> bool:
    """Whether a call's argument is a dict of tensors."""
    return isinstance(value, dict) and "class_name" not in value


def _histories(value: Any):
    """The histories of all tensors in a call's arguments, in order."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        name, call, output = value["config"]["keras_history"]
        yield name, call, output
    elif isinstance(value, dict) and value.get("class_name") not in ("__slice__", "__ellipsis__"):
        for key in sorted(value):
            yield from _histories(value[key])
    elif isinstance(value, list):
        for one in value:
            yield from _histories(one)


def _is_operation(entry: dict) -> bool:
    module = str(entry.get("module", ""))
    return module.startswith(("keras.src.ops", "keras.ops")) or (not module and set(entry["config"]) == {"name"})


def _our_operation(entry: dict, name: str, args: list, where: str) -> dict:
    kind, static = entry["class_name"], {}
    known = isinstance(kind, str) and (kind in OPS or kind in ("GetItem", "Power"))
    expected = f"one of the operations {', '.join([*OPS, 'GetItem', 'Power'])}"
    require(known, f"{where}: {name}", expected, f"{kind!r:.60}", "minicnn reads no such one", error=DataError)
    if kind in ("GetItem", "Power"):
        args, last = args[:1], args[1]
        static = {"key": _our_key(last)} if kind == "GetItem" else {"exponent": last}
    given = [None if isinstance(one, dict) else one for one in args]
    ok = all(one is None or (isinstance(one, (int, float)) and not isinstance(one, bool)) for one in given)
    require(ok, f"{where}: {name}", "tensors and numbers", f"{given!r:.60}", error=DataError)
    op = {"GetItem": "part", "Power": "power"}.get(kind) or OPS[kind]
    return {"class_name": "Operation", "config": {"name": name, "op": op, "arguments": given, "static": static},
            "named": True}  # fmt: skip


def _our_key(key: Any) -> Any:
    if isinstance(key, list):
        return [_our_key(one) for one in key]
    if isinstance(key, dict) and key["class_name"] == "__ellipsis__":
        return {"slice": "..."}
    if isinstance(key, dict):
        return {"slice": [key["config"][name] for name in ("start", "stop", "step")]}
    return key
