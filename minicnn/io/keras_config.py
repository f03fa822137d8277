"""A model's description in Keras 3's words (the config.json of a .keras file) and in ours (model_file.py).

Both are plain values; this file knows no class. What Keras has and minicnn has not is accepted where it says "not
used" (no regularizer) and named otherwise.
Source: Keras 3, saving/serialization_lib.py and the get_config of each class.
"""

from typing import Any

from ..errors import ArgumentError, DataError, MinicnnError, require

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
    "CenterCrop": ("height", "width", "data_format"),
    "RandomCrop": ("height", "width", "seed", "data_format"),
    "RandomFlip": ("mode", "seed", "data_format"),
    "RandomRotation": ("factor", "fill_mode", "interpolation", "seed", "fill_value", "data_format"),
    **dict.fromkeys(("RandomZoom", "RandomTranslation"), ("height_factor", "width_factor", "fill_mode",
                    "interpolation", "seed", "fill_value", "data_format")),
    **dict.fromkeys(("RandomContrast", "RandomBrightness"), ("factor", "value_range", "seed", "data_format")),
    "Resizing": ("height", "width", "interpolation", "crop_to_aspect_ratio", "pad_to_aspect_ratio", "fill_mode",
                 "fill_value", "antialias", "data_format"),
    "Cropping1D": ("cropping",),
    "Cropping2D": ("cropping", "data_format"),
    "GaussianNoise": ("stddev", "seed"),
    "LayerNormalization": ("axis", "epsilon", "center", "scale", "beta_initializer", "gamma_initializer"),
    "Permute": ("dims",),
    "RepeatVector": ("n",),
    "Rescaling": ("scale", "offset"),
    "UpSampling1D": ("size",),
    "UpSampling2D": ("size", "data_format", "interpolation"),
    "Dense": ("units", "activation", "use_bias", "kernel_initializer", "bias_initializer"),
    "BatchNormalization": ("axis", "momentum", "epsilon", "center", "scale", "beta_initializer", "gamma_initializer",
                           "moving_mean_initializer", "moving_variance_initializer", "synchronized"),
    "Dropout": ("rate", "seed"),
    "SpatialDropout1D": ("rate", "seed"),
    "SpatialDropout2D": ("rate", "data_format", "seed"),
    "AlphaDropout": ("rate", "seed"),
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


# ours -> Keras's ------------------------------------------------------------------------------------------------------


def from_document(document: dict) -> dict:
    """Keras's config.json of a model.  Raises ArgumentError for what Keras could not make again."""
    dtype, config = document["dtype"], document["config"]
    shape = [None, *config["input_shape"]]
    first = {"batch_shape": shape, "dtype": dtype, "sparse": False, "ragged": False, "name": "input_layer"}
    layers = [_keras("layers", "InputLayer", first), *(_from_layer(entry, dtype) for entry in config["layers"])]
    inner = {"name": config["name"], "trainable": True, "dtype": _policy(dtype), "layers": layers,
             "build_input_shape": shape}  # fmt: skip
    return {
        "module": "keras", "class_name": "Sequential", "config": inner, "registered_name": None,
        "build_config": {"input_shape": shape}, "compile_config": _from_compiled(document["compiled"]),
    }  # fmt: skip


def _keras(module: str, class_name: str, config: dict) -> dict:
    return {"module": f"keras.{module}", "class_name": class_name, "config": config, "registered_name": None}


def _policy(dtype: str) -> dict:
    return {"module": "keras", "class_name": "DTypePolicy", "config": {"name": dtype}, "registered_name": None}


def _from_layer(entry: dict, dtype: str) -> dict:
    config = entry["config"]
    where = f"layer {config.get('name')}"
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
    if isinstance(value, dict):
        return _keras(module, _shared("value", value, where), value["config"])
    return value


def _shared(what: str, entry: dict, where: str) -> str:
    """The class name of an entry that is no custom one."""
    own = "function" not in entry and not entry.get("custom")
    received = f"your own {entry.get('function') or entry.get('class_name')}"
    require(own, f"save: {where}", f"a {what} that Keras has", received, _FIX, error=ArgumentError)
    return entry["class_name"]


def _from_compiled(compiled: dict | None) -> dict | None:
    if compiled is None or compiled["loss"] is None:
        return None
    optimizer = compiled["optimizer"]
    return {
        "optimizer": _from_optimizer(optimizer),
        "loss": _keras("losses", _shared("loss", compiled["loss"], "loss"), compiled["loss"]["config"]),
        "loss_weights": None,
        **{key: [_from_metric(entry) for entry in compiled[key]] or None for key in ("metrics", "weighted_metrics")},
        "run_eagerly": False, "steps_per_execution": 1, "jit_compile": False,
    }  # fmt: skip


def _from_optimizer(entry: dict) -> dict:
    name, config = _shared("optimizer", entry, "optimizer"), dict(entry["config"])
    rate = config.get("learning_rate")
    if isinstance(rate, dict):
        schedule = _shared("schedule", rate, "optimizer: learning_rate")
        config["learning_rate"] = _keras("optimizers.schedules", schedule, rate["config"])
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
    plain = config["fn"] == "accuracy" and config["name"] in ("accuracy", "acc")
    require(plain, "save: metric", "a metric that Keras has", f"your own {config['name']}", _FIX, error=ArgumentError)
    return config["name"]


# Keras's -> ours ------------------------------------------------------------------------------------------------------


def to_document(config: Any, where: str, strict: bool) -> dict:
    """Our document of a Sequential that Keras described.  strict: what acts in training alone is refused, not dropped.

    Raises DataError for anything that is no Sequential of layers that minicnn has.
    """
    try:
        return _to_document(config, where, strict)
    except MinicnnError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as cause:
        reason = f"{type(cause).__name__}: {cause}"[:120]
        raise DataError(f"{where}: expected Keras's description of a model, received another ({reason})") from None


def _to_document(config: dict, where: str, strict: bool) -> dict:
    kind = config.get("class_name")
    fix = "minicnn has chains of layers alone"
    require(kind == "Sequential", where, "a Sequential", f"{kind!r:.40}", fix, error=DataError)
    inner = config["config"]
    entries = list(inner["layers"])
    shape = inner.get("build_input_shape")
    if entries and entries[0].get("class_name") == "InputLayer":
        first = entries.pop(0)["config"]
        shape = first.get("batch_shape") or first.get("batch_input_shape")
    elif entries and shape is None:
        shape = entries[0]["config"].get("batch_input_shape")
    require(isinstance(shape, list) and len(shape) > 0, where, "a built model", "one without the shape of its input",
            "build it in Keras before saving", error=DataError)  # fmt: skip
    dtypes = {_dtype(entry["config"], where) for entry in entries} or {"float32"}
    require(len(dtypes) == 1, where, "layers of one dtype", ", ".join(sorted(dtypes)), error=DataError)
    return {
        "class_name": "Sequential",
        "config": {"name": inner.get("name", "sequential"), "input_shape": shape[1:],
                   "layers": [_to_layer(entry, f"{where}: layer {n}", strict) for n, entry in enumerate(entries, 1)]},
        "dtype": dtypes.pop(),
        "compiled": _to_compiled(config.get("compile_config"), where) if strict else None,
    }  # fmt: skip


def _dtype(config: dict, where: str) -> str:
    dtype = config.get("dtype", "float32")
    dtype = dtype["config"]["name"] if isinstance(dtype, dict) else dtype or "float32"
    require(dtype in DTYPES, where, f"dtype {' or '.join(DTYPES)}", f"{dtype!r:.40}", error=DataError)
    return dtype


def _to_layer(entry: dict, where: str, strict: bool) -> dict:
    name, config = entry["class_name"], entry["config"]
    ours = isinstance(name, str) and name in LAYERS and _is_keras(entry)
    expected = f"one of Keras's {', '.join(LAYERS)}"
    require(ours, where, expected, f"{name!r:.60}", "minicnn has no such layer", error=DataError)
    for key, value in config.items():
        if key in LAYERS[name] or key in IGNORED or value in (None, False) or value in UNUSED.get(key, ()):
            continue
        if key.endswith(BOUNDS):
            continue
        require(False, f"{where} ({name})", f"{key} not to be used", f"{value!r:.80}", error=DataError)
    bounds = [key for key in config if key.endswith(BOUNDS) and config[key] is not None]
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


def _to_compiled(compiled: dict | None, where: str) -> dict | None:
    if not compiled or not compiled.get("optimizer"):
        return None
    loss, optimizer = compiled.get("loss"), compiled["optimizer"]
    require(isinstance(loss, (str, dict, type(None))), where, "one loss", f"{loss!r:.80}", error=DataError)
    require(not compiled.get("loss_weights"), where, "no loss_weights", "some", _COMPILE_FIX, error=DataError)
    return {
        "optimizer": _to_optimizer(optimizer, where),
        "loss": loss if loss is None or isinstance(loss, str) else _to_thing(loss, where),
        **{key: _to_metrics(compiled.get(key), where) for key in ("metrics", "weighted_metrics")},
    }  # fmt: skip


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
    require(given is None or isinstance(given, list), where, "a list of metrics", f"{given!r:.80}", error=DataError)
    flat = [m for item in given or () for m in (item if isinstance(item, list) else [item]) if m is not None]
    return [m if isinstance(m, str) else _to_thing(m, where) for m in flat]
