"""A model's description in Keras 3's words (the config.json of a .keras file) and in ours (model_file.py).

Both are plain values; this file knows no class. What Keras has and minicnn has not is accepted where it says "not
used" (no regularizer) and named otherwise.
Source: Keras 3, saving/serialization_lib.py and the get_config of each class.
"""

from typing import Any

from ..errors import ArgumentError, DataError, MinicnnError, require
from ..structure import from_file, names_of
from . import keras_graph

# Class -> the arguments that both libraries have.
_CONV = ("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "groups", "activation",
         "use_bias", "kernel_initializer", "bias_initializer")  # fmt: skip
_TRANSPOSE = ("filters", "kernel_size", "strides", "padding", "output_padding", "data_format", "dilation_rate",
              "activation", "use_bias", "kernel_initializer", "bias_initializer")  # fmt: skip
_DEPTHWISE = ("kernel_size", "strides", "padding", "depth_multiplier", "data_format", "dilation_rate", "activation",
              "use_bias", "depthwise_initializer", "bias_initializer")  # fmt: skip
_SEPARABLE = ("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "depth_multiplier",
              "activation", "use_bias", "depthwise_initializer", "pointwise_initializer",
              "bias_initializer")  # fmt: skip
_POOL = ("pool_size", "strides", "padding", "data_format")
LAYERS = {
    **dict.fromkeys(("Conv1D", "Conv2D"), _CONV),
    **dict.fromkeys(("Conv1DTranspose", "Conv2DTranspose"), _TRANSPOSE),
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D"), _DEPTHWISE),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), _SEPARABLE),
    **dict.fromkeys(("MaxPooling1D", "MaxPooling2D", "AveragePooling1D", "AveragePooling2D"), _POOL),
    **dict.fromkeys(("GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalAveragePooling1D", "GlobalAveragePooling2D"),
                    ("data_format", "keepdims")),
    **dict.fromkeys(("AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D", "AdaptiveAveragePooling1D",
                     "AdaptiveAveragePooling2D"), ("output_size", "data_format")),
    "CenterCrop": ("height", "width", "data_format"),
    "RandomCrop": ("height", "width", "seed", "data_format"),
    "RandomErasing": ("factor", "scale", "fill_value", "value_range", "seed", "data_format"),
    "RandomFlip": ("mode", "seed", "data_format"),
    "RandomRotation": ("factor", "fill_mode", "interpolation", "seed", "fill_value", "data_format"),
    **dict.fromkeys(("RandomZoom", "RandomTranslation"), ("height_factor", "width_factor", "fill_mode",
                    "interpolation", "seed", "fill_value", "data_format")),
    **dict.fromkeys(("RandomContrast", "RandomBrightness", "RandomColorDegeneration", "RandomHue", "RandomInvert",
                     "RandomPosterization", "RandomSaturation", "RandomSharpness"),
                    ("factor", "value_range", "seed", "data_format")),
    "AutoContrast": ("value_range", "data_format"),
    "Equalization": ("value_range", "bins", "data_format"),
    "CutMix": ("factor", "seed", "data_format"),
    "MixUp": ("alpha", "seed", "data_format"),
    "RandAugment": ("value_range", "num_ops", "factor", "interpolation", "seed", "data_format"),
    "RandomColorJitter": ("value_range", "brightness_factor", "contrast_factor", "saturation_factor", "hue_factor",
                          "seed", "data_format"),
    "RandomGaussianBlur": ("factor", "kernel_size", "sigma", "value_range", "seed", "data_format"),
    "RandomGrayscale": ("factor", "data_format", "seed"),
    "RandomPerspective": ("factor", "scale", "interpolation", "fill_value", "seed", "data_format"),
    "RandomShear": ("x_factor", "y_factor", "fill_mode", "interpolation", "seed", "fill_value", "data_format"),
    "Solarization": ("addition_factor", "threshold_factor", "value_range", "seed", "data_format"),
    "Resizing": ("height", "width", "interpolation", "crop_to_aspect_ratio", "pad_to_aspect_ratio", "fill_mode",
                 "fill_value", "antialias", "data_format"),
    "Cropping1D": ("cropping",),
    "Cropping2D": ("cropping", "data_format"),
    "GaussianNoise": ("stddev", "seed"),
    "LayerNormalization": ("axis", "epsilon", "center", "scale", "beta_initializer", "gamma_initializer"),
    "GroupNormalization": ("groups", "axis", "epsilon", "center", "scale", "beta_initializer", "gamma_initializer"),
    "Normalization": ("axis", "mean", "variance", "invert"),
    "UnitNormalization": ("axis",),
    "RMSNormalization": ("axis", "epsilon"),
    "Identity": (),
    "ActivityRegularization": ("l1", "l2"),
    "Permute": ("dims",),
    "RepeatVector": ("n",),
    "Rescaling": ("scale", "offset"),
    "UpSampling1D": ("size",),
    "UpSampling2D": ("size", "data_format", "interpolation"),
    "Dense": ("units", "activation", "use_bias", "kernel_initializer", "bias_initializer"),
    "BatchNormalization": ("axis", "momentum", "epsilon", "center", "scale", "beta_initializer", "gamma_initializer",
                           "moving_mean_initializer", "moving_variance_initializer", "synchronized"),
    "Dropout": ("rate", "noise_shape", "seed"),
    "SpatialDropout1D": ("rate", "seed"),
    "SpatialDropout2D": ("rate", "data_format", "seed"),
    "AlphaDropout": ("rate", "noise_shape", "seed"),
    "GaussianDropout": ("rate", "seed"),
    "Flatten": ("data_format",),
    "Reshape": ("target_shape",),
    "ZeroPadding1D": ("padding", "data_format"),
    "ZeroPadding2D": ("padding", "data_format"),
    "Activation": ("activation",),
    "Softmax": ("axis",),
    "ReLU": ("max_value", "negative_slope", "threshold"),
    "LeakyReLU": ("negative_slope",),
    "ELU": ("alpha",),
    "PReLU": ("alpha_initializer", "shared_axes"),
    **dict.fromkeys(("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"), ()),
    "Concatenate": ("axis",),
    "Dot": ("axes", "normalize"),
}  # fmt: skip
# Arguments that minicnn lacks, and the values that say that they are not used. None and False always do.
UNUSED = {"renorm_momentum": (0.99,)}
BOUNDS = ("_regularizer", "_constraint")
IGNORED = ("dtype", "name", "trainable", "batch_input_shape", "batch_shape", "build_config", "autocast", "fused")
NEVER_FROZEN = ("SpatialDropout1D", "SpatialDropout2D")  # Keras's classes take no argument `trainable`
COMPILE_UNUSED = {"is_legacy_optimizer": None, "jit_compile": None}
DTYPES = ("float32", "float64")
OURS = ("OneCycle",)  # schedules


# ours -> Keras's ------------------------------------------------------------------------------------------------------


def from_document(document: dict) -> dict:
    """Keras's config.json of a model.  Raises ArgumentError for what Keras could not make again."""
    entry = _from_part({"class_name": document["class_name"], "config": document["config"]}, document["dtype"])
    shape = entry["config"].get("build_input_shape")
    return entry | {"build_config": {"input_shape": shape}, "compile_config": _from_compiled(document["compiled"])}


def _from_part(entry: dict, dtype: str) -> dict:
    """Keras's entry of a layer, an input or a model."""
    name, config = entry["class_name"], entry["config"]
    own = entry.get("custom")
    if name == "InputLayer" and not own:
        return _keras("layers", "InputLayer", _input(config["shape"], config["name"], dtype, config.get("batch_size")))
    if name == "Functional" and not own:
        inner = keras_graph.written(config, lambda one: _from_part(one, dtype), dtype)
        return {"module": "keras.src.models.functional", "class_name": name, "registered_name": name,
                "config": inner | {"trainable": entry.get("trainable", True)}}  # fmt: skip
    if name == "Sequential" and not own:
        shape = config["input_shape"]
        layers = [_keras("layers", "InputLayer", _input(shape, "input_layer", dtype)),
                  *(_from_part(one, dtype) for one in config["layers"])]  # fmt: skip
        inner = {"name": config["name"], "trainable": entry.get("trainable", True), "dtype": _policy(dtype),
                 "layers": layers, "build_input_shape": [None, *shape]}  # fmt: skip
        return {"module": "keras", "class_name": name, "config": inner, "registered_name": None}
    return _from_layer(entry, dtype)


def _input(shape: list, name: str, dtype: str, rows: int | None = None) -> dict:
    return {"batch_shape": [rows, *shape], "dtype": dtype, "sparse": False, "ragged": False, "name": name}


def _keras(module: str, class_name: str, config: dict) -> dict:
    return {"module": f"keras.{module}", "class_name": class_name, "config": config, "registered_name": None}


def _policy(dtype: str) -> dict:
    return {"module": "keras", "class_name": "DTypePolicy", "config": {"name": dtype}, "registered_name": None}


def _from_layer(entry: dict, dtype: str) -> dict:
    config = entry["config"]
    where = f"layer {config.get('name')}"
    if entry.get("portable"):  # a class of a script's own, written for Keras: custom_objects brings it
        own = {key: _from_value(value, f"{where}: {key}", _module(key)) for key, value in config.items()}
        name = entry["class_name"]
        return {"module": None, "class_name": name, "registered_name": entry.get("registered", name),
                "config": own | {"dtype": _policy(dtype)}}  # fmt: skip
    name = _shared("layer", entry, where)
    require(name in LAYERS, f"save: {where}", "a layer that Keras has", name, _FIX, error=ArgumentError)
    bounds = [key for key in config if key.endswith(BOUNDS)]
    kept = {key: _from_value(config[key], f"{where}: {key}", _module(key)) for key in (*LAYERS[name], *bounds)}
    common = {"name": config["name"], "trainable": config["trainable"], "dtype": _policy(dtype)}
    if name in NEVER_FROZEN:
        del common["trainable"]
    return _keras("layers", name, common | kept)


_FIX = "save as .minicnn"


def _module(key: str) -> str:
    """Keras's module of what an argument of that name is made of."""
    return "regularizers" if key.endswith(BOUNDS[0]) else "constraints" if key.endswith(BOUNDS[1]) else "initializers"


def _from_value(value: Any, where: str, module: str = "initializers") -> Any:
    if not isinstance(value, dict):
        return value
    return _function(value) if "function" in value else _keras(module, _shared("value", value, where), value["config"])


def _function(entry: dict) -> dict:
    """A function of the user's, which Keras, too, writes by name and finds in custom_objects."""
    return {"module": "builtins", "class_name": "function", "config": entry["function"], "registered_name": "function"}


def _shared(what: str, entry: dict, where: str) -> str:
    """The class name of an entry that is no custom one."""
    own = "function" not in entry and not entry.get("custom")
    received = f"your own {entry.get('function') or entry.get('class_name')}"
    require(own, f"save: {where}", f"a {what} that Keras has", received, _FIX, error=ArgumentError)
    return entry["class_name"]


def _from_compiled(compiled: dict | None) -> dict | None:
    if compiled is None or compiled["loss"] is None:
        return None
    loss, places, weights = compiled["loss"], compiled.get("metric_places"), None
    if "outputs" in loss:
        loss, weights = [one and _from_loss(one) for one in loss["outputs"]], loss["weights"]
    else:
        loss = _from_loss(loss)
    given = {key: [_from_metric(entry) for entry in compiled[key]] for key in ("metrics", "weighted_metrics")}
    if places is not None:
        count = len(loss)
        given = {key: given[key] and [[m for m, k in zip(given[key], where, strict=True) if k == one]
                                      for one in range(count)]
                 for key, where in zip(given, places, strict=True)}  # fmt: skip
    return {
        "optimizer": _from_optimizer(compiled["optimizer"]), "loss": loss, "loss_weights": weights,
        **{key: value or None for key, value in given.items()},
        "run_eagerly": False, "steps_per_execution": 1, "jit_compile": False,
    }  # fmt: skip


def _from_loss(entry: dict) -> dict:
    if "function" in entry:
        return _function(entry)
    return _keras("losses", _shared("loss", entry, "loss"), entry["config"])


def _from_optimizer(entry: dict) -> dict:
    name, config = _shared("optimizer", entry, "optimizer"), dict(entry["config"])
    rate = config.get("learning_rate")
    if isinstance(rate, dict):
        schedule = _shared("schedule", rate, "optimizer: learning_rate")
        require(schedule not in OURS, "save: optimizer: learning_rate", "a schedule that Keras has", schedule, _FIX,
                error=ArgumentError)  # fmt: skip
        config["learning_rate"] = _keras("optimizers.schedules", schedule, rate["config"])
    require("learning_rate_factors" not in config, "save: optimizer", "arguments that Keras has",
            "learning_rate_factors", _FIX, error=ArgumentError)  # fmt: skip
    decay = config.pop("decay", None)
    if decay:  # which Keras 3 ignores
        arguments = {"initial_learning_rate": rate, "decay_steps": 1, "decay_rate": decay, "staircase": False,
                     "name": "InverseTimeDecay"}  # fmt: skip
        config["learning_rate"] = _keras("optimizers.schedules", "InverseTimeDecay", arguments)
    return _keras("optimizers", name, config)


def _from_metric(entry: dict) -> str | dict:
    name, config = _shared("metric", entry, "metric"), entry["config"]
    if name != "MeanMetricWrapper":
        return _keras("metrics", name, config)
    if isinstance(config["fn"], dict) and config["fn"]["function"] == config["name"]:
        return _function(config["fn"])
    plain = config["fn"] == "accuracy" and config["name"] in ("accuracy", "acc")
    require(plain, "save: metric", "a metric that Keras has", f"your own {config['name']}", _FIX, error=ArgumentError)
    return config["name"]


# Keras's -> ours ------------------------------------------------------------------------------------------------------


def to_document(config: Any, where: str, strict: bool) -> dict:
    """Our document of a model that Keras described.

    strict: a regularizer or constraint of one's own is refused, not dropped.

    Raises DataError for anything that is no model of layers that minicnn has.
    """
    try:
        return _to_document(config, where, strict)
    except MinicnnError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as cause:
        reason = f"{type(cause).__name__}: {cause}"[:120]
        raise DataError(f"{where}: expected Keras's description of a model, received another ({reason})") from None


def _to_document(config: dict, where: str, strict: bool) -> dict:
    kind, dtypes = config.get("class_name"), set()
    expected, fix = "a Sequential or a functional Model", "minicnn reads no class of yours"
    require(kind in keras_graph.MODELS, where, expected, f"{kind!r:.40}", fix, error=DataError)
    part = _to_part(config, where, strict, dtypes)
    require(len(dtypes) <= 1, where, "layers of one dtype", ", ".join(sorted(dtypes)), error=DataError)
    return {
        "class_name": part["class_name"], "config": part["config"], "dtype": dtypes.pop() if dtypes else "float32",
        "compiled": _to_compiled(config.get("compile_config"), where, _outputs(config["config"])) if strict else None,
    }  # fmt: skip


def _to_part(entry: dict, where: str, strict: bool, dtypes: set) -> dict:
    """Our entry of a layer, an input or a model.  dtypes gathers what the layers say."""
    name, inner = entry["class_name"], entry["config"]
    model = name in keras_graph.MODELS and _is_keras(entry | {"registered_name": None})
    if model and name != "Sequential":
        config = keras_graph.read(inner, lambda one: _to_part(one, where, strict, dtypes), where)
        return {"class_name": "Functional", "config": config, "named": True, "trainable": inner.get("trainable", True)}
    if model:
        return {"class_name": name, "config": _to_chain(inner, where, strict, dtypes), "named": True,
                "trainable": inner.get("trainable", True)}  # fmt: skip
    if name == "InputLayer":
        shape = inner.get("batch_shape") or inner.get("batch_input_shape")
        rows = {} if shape[0] is None else {"batch_size": shape[0]}
        return {"class_name": name, "config": {"name": inner["name"], "shape": shape[1:]} | rows, "named": True}
    dtypes.add(_dtype(inner, where))
    return _to_layer(entry, where, strict)


def _to_chain(inner: dict, where: str, strict: bool, dtypes: set) -> dict:
    entries = list(inner["layers"])
    shape = inner.get("build_input_shape")
    if entries and entries[0].get("class_name") == "InputLayer":
        first = entries.pop(0)["config"]
        shape = first.get("batch_shape") or first.get("batch_input_shape")
    elif entries and shape is None:
        shape = entries[0]["config"].get("batch_input_shape")
    if not isinstance(shape, list) or not shape:
        received, fix = "one without the shape of its input", "build it in Keras before saving"
        require(False, where, "a built model", received, fix, error=DataError)
    layers = [_to_part(entry, f"{where}: layer {n}", strict, dtypes) for n, entry in enumerate(entries, 1)]
    return {"name": inner.get("name", "sequential"), "input_shape": shape[1:], "layers": layers}


def _outputs(inner: dict) -> list[str]:
    """The names of a model's outputs."""
    if "output_layers" not in inner:
        return [""]
    ends, said = keras_graph.histories(inner["output_layers"])
    return names_of(from_file(said, len(ends), "load"), [one[0] for one in ends])


def _dtype(config: dict, where: str) -> str:
    dtype = config.get("dtype", "float32")
    dtype = dtype["config"]["name"] if isinstance(dtype, dict) else dtype or "float32"
    require(dtype in DTYPES, where, f"dtype {' or '.join(DTYPES)}", f"{dtype!r:.40}", error=DataError)
    return dtype


def _to_layer(entry: dict, where: str, strict: bool) -> dict:
    name, config = entry["class_name"], entry["config"]
    foreign = str(entry.get("module", "keras")).split(".")[0] != "keras"
    if foreign and isinstance(name, str) and name.isidentifier() and name not in LAYERS:
        own = {key: _to_value(value, where, _module(key)) for key, value in config.items() if key != "dtype"}
        full = entry.get("registered_name")
        registered = {"registered": full} if isinstance(full, str) and full != name else {}
        return {"class_name": name, "config": own, "named": True, "custom": True} | registered
    ours = isinstance(name, str) and name in LAYERS and _is_keras(entry)
    expected = f"one of Keras's {', '.join(LAYERS)}"
    require(ours, where, expected, f"{name!r:.60}", "minicnn has no such layer", error=DataError)
    for key, value in config.items():
        used = key in LAYERS[name] or key in IGNORED or key.endswith(BOUNDS)
        if used or value in (None, False) or value in UNUSED.get(key, ()):
            continue
        require(False, f"{where} ({name})", f"{key} not to be used", f"{value!r:.80}", error=DataError)
    bounds = [key for key, value in config.items() if key.endswith(BOUNDS) and value is not None
              and (strict or not isinstance(value, dict) or _is_keras(value))]  # fmt: skip
    kept = {key: _to_value(config[key], where, _module(key)) for key in (*LAYERS[name], *bounds) if key in config}
    if isinstance(kept.get("axis"), list) and len(kept["axis"]) == 1:
        kept["axis"] = kept["axis"][0]
    common = {"name": config.get("name"), "trainable": config.get("trainable", True)}
    return {"class_name": name, "config": common | kept, "named": True}


def _is_keras(entry: dict) -> bool:
    module = entry.get("module", "keras")
    registered = entry.get("registered_name")
    return str(module).split(".")[0] == "keras" and registered in (None, entry.get("class_name"))


def _to_value(value: Any, where: str, module: str = "initializers") -> Any:
    """Names, numbers and lists as they are; initializers, regularizers and constraints as our entries."""
    if not isinstance(value, dict):
        return value
    if value.get("module") == "builtins":
        return {"function": value["config"]}
    inner = value["class_name"] if _is_keras(value) else None
    known = inner is not None and str(value.get("module", module)).endswith(module)
    article = "an" if module[0] == "i" else "a"
    require(known, where, f"{article} {module[:-1]} of Keras's", f"{value.get('class_name')!r:.60}", error=DataError)
    # Keras writes options that it does not use as null.
    return {"class_name": inner, "config": {k: v for k, v in value.get("config", {}).items()
                                            if k not in ("input_axes", "output_axes") or v is not None}}  # fmt: skip


def _to_compiled(compiled: dict | None, where: str, names: list[str]) -> dict | None:
    """names: of the model's outputs."""
    if not compiled or not compiled.get("optimizer"):
        return None
    weights = compiled.get("loss_weights")
    losses = _per_output(compiled.get("loss"), names, where, "a loss")
    losses = [one if one is None or isinstance(one, str) else _to_thing(one, where) for one in losses]
    if weights is not None:
        weights = _per_output([weights] if isinstance(weights, (int, float)) else weights, names, where, "a weight")
        weights = [1.0 if w is None else w for w in weights]
    given, places = {}, []
    for key in ("metrics", "weighted_metrics"):
        each = [_to_metrics(one, where) for one in _per_output(compiled.get(key), names, where, key, many=True)]
        given[key] = [metric for one in each for metric in one]
        places.append([k for k, one in enumerate(each) for _ in one])
    loss = losses[0]
    if any(losses) and (len(names) > 1 or weights not in (None, [1.0])):
        loss = {"outputs": losses, "weights": weights or [1.0] * len(names)}
    return {
        "optimizer": _to_optimizer(compiled["optimizer"], where), "loss": loss, **given,
        **({"metric_places": places} if len(names) > 1 else {}),
    }  # fmt: skip


def _per_output(given: Any, names: list[str], where: str, what: str, many: bool = False) -> list:
    """One for each output of what compile takes as one, a list, or a dict by name; None where it says nothing.

    many: an output may have several, in a list.
    """
    if isinstance(given, dict) and "class_name" not in given:
        unknown = [name for name in given if name not in names and names != [""]]
        require(not unknown, where, f"{what} for {', '.join(names)}", ", ".join(unknown)[:80], error=DataError)
        return [next(iter(given.values()))] if names == [""] and given else [given.get(name) for name in names]
    if not isinstance(given, list):
        return [given] * len(names)
    if len(names) == 1 and many:
        return [[one for item in given for one in (item if isinstance(item, list) else [item])]]
    expected = f"{what} for {', '.join(names)}" if names != [""] else f"{what} for the one output"
    require(len(given) == len(names), where, expected, len(given), error=DataError)
    return given


_COMPILE_FIX = "load_model(..., compile=False) reads the model for predictions"


def _to_optimizer(entry: dict, where: str) -> dict:
    config = dict(entry["config"])
    rate = config.get("learning_rate")
    if isinstance(rate, dict):
        require(_is_keras(rate) and isinstance(rate.get("config"), dict), f"{where}: optimizer",
                "a number or a schedule of Keras's as learning_rate", f"{rate.get('class_name')!r:.60}", _COMPILE_FIX,
                error=DataError)  # fmt: skip
        config["learning_rate"] = {"class_name": rate.get("class_name"), "config": rate["config"]}
    return {"class_name": entry["class_name"], "config": {k: v for k, v in config.items() if k not in COMPILE_UNUSED}}


def _to_thing(entry: dict, where: str) -> dict:
    """A loss or metric: class and arguments, or a function by name, the user's or Keras's."""
    if entry.get("module") == "builtins":
        return {"called": entry["config"]}
    require(_is_keras(entry), where, "a loss or metric of Keras's", f"{entry.get('class_name')!r:.60}", _COMPILE_FIX,
            error=DataError)  # fmt: skip
    config = {k: v for k, v in entry["config"].items() if k != "dtype" and not (k == "axis" and v == -1)}
    return {"class_name": entry["class_name"], "config": config}


def _to_metrics(given: Any, where: str) -> list:
    """Of one output: none, one, or a list of them."""
    listed = given if isinstance(given, list) else [] if given is None else [given]
    ok = all(one is None or isinstance(one, (str, dict)) for one in listed)
    require(ok, where, "a list of metrics", f"{given!r:.80}", error=DataError)
    return [m if isinstance(m, str) else _to_thing(m, where) for m in listed if m is not None]
