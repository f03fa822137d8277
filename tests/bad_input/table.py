"""Every public callable, every argument: argument -> its kind. test_table.py turns each kind into rows.

A path names a callable below minicnn; `given` completes a call whose other arguments must be right. What is not here
stands in PROTOCOL with the reason.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas

import minicnn
from minicnn import Sequential, callbacks, layers, losses, metrics, optimizers
from minicnn.backend.cpu import CPU

from . import kinds as K
from .kinds import IMAGES, INF, LABELS, NAN, ODD, ONE_HOT, Kind, bad

SPARSE = "sparse_categorical_crossentropy"


def made_model(kernels: str = "numpy_ref"):
    """A compiled model with everything that has a state. numpy_ref: a row that slips through compiles nothing."""
    model = minicnn.Sequential(
        [
            layers.Conv2D(2, 3, input_shape=(6, 6, 1), name="conv"),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ],
        seed=1,
        threads=1,
        kernels=kernels,
        name="small",
    )
    model.compile("adam", SPARSE, metrics=["accuracy"])
    model.train_on_batch(IMAGES, LABELS)
    return model


class Call(NamedTuple):
    arguments: dict[str, Kind]
    given: dict[str, Any] = {}  # noqa: RUF012  (read only)
    subject: str = ""  # the name of what a method is called on, in test_table.SUBJECTS


TABLE: dict[str, Call] = {}


def entry(_paths: str, _given: dict | None = None, _subject: str = "", /, **arguments: Kind) -> None:
    for one in _paths.split():
        assert one not in TABLE, one
        TABLE[one] = Call(arguments, _given or {}, _subject)


# layers ---------------------------------------------------------------------------------------------------------------

ORDER = Kind(("channels_last",), ("first", "x", 3, NAN, [], ODD, np.ones(2)), '"channels_last"')
ACTIVATION = Kind(
    ("relu", np.str_("relu")), ("rleu", "", 3, NAN, True, [], ["relu"], {}, ODD, np.ones(2)), "activation"
)
INITIALIZER = Kind(
    ("zeros", minicnn.initializers.Zeros, {"class_name": "Zeros", "config": {}}),
    (
        bad("zeroes", "one of", "zeroes"),
        bad("", "one of"),
        3,
        NAN,
        True,
        [],
        ODD,
        bad({}, "one of"),
        bad({"class_name": "Zeros", "config": 3}, "config"),
        bad({"class_name": "Constant", "config": {"value": NAN}}, "value", "nan"),
        bad({"class_name": ["Zeros"]}, "one of"),
        bad(int, "int"),
    ),
    "a name, an Initializer, a function or an array",
)
PADDING = Kind(
    ("same", np.str_("same")), ("full", "", 3, NAN, None, [], ["same"], ODD, np.ones(2)), '"valid" or "same"'
)
FLOAT32 = Kind(("float32",), ("float16", "x", 3, ODD, np.ones(2)), "float32")
NOTHING = Kind((None,), (3, "x", [], ODD, np.ones(2)), "None")


def bound(module, name: str, field: str) -> Kind:
    """A regularizer or a constraint: by name, class, dict."""
    cls = module.get(name)
    kind = type(cls).__name__
    return Kind(
        (name, np.str_(name), kind, type(cls), {"class_name": kind, "config": {}}),
        (
            bad(name + "x", "one of", name),
            bad("", "one of"),
            3,
            NAN,
            True,
            [],
            [name],
            ODD,
            np.ones(2),
            int,
            bad({}, "a name"),
            bad({"class_name": [kind]}, "a name"),
            bad({"class_name": kind, "config": 3}, "config"),
            bad({"class_name": kind, "config": {field: NAN}}, field, "nan"),
            bad({"class_name": kind, "config": {"unknown": 1}}, "unknown"),
        ),
        "a name, a function of a tensor, or None",
    )


REGULARIZER = bound(minicnn.regularizers, "l2", "l2")
CONSTRAINT = bound(minicnn.constraints, "max_norm", "max_value")
LAYER = {
    "name": K.NAME.but("a/b", words=""),
    "trainable": K.FLAG,
    "input_shape": K.optional(K.SHAPE),
    "dtype": FLOAT32,
    "input_dim": K.optional(K.POSITIVE),
    "unknown": Kind((), (bad(3, "arguments of the layer"),)),
    "activity_regularizer": REGULARIZER,
}


def layer(path: str, **arguments: Kind) -> None:
    """With the regularizers and constraints that the layer has weights for."""
    for one in path.split():
        what = getattr(layers, one.rpartition(".")[2]).bound
        bounds = {f"{name}_regularizer": REGULARIZER for name in what}
        bounds |= {f"{name}_constraint": CONSTRAINT for name in what}
        entry(one, **bounds | arguments | {"kwargs": LAYER["unknown"]})


entry("layers.Layer", **LAYER)
layer(
    "layers.Conv2D",
    filters=K.POSITIVE,
    kernel_size=K.SIZE,
    strides=K.SIZE,
    padding=PADDING,
    data_format=ORDER,
    dilation_rate=Kind(((1, 1), 1, np.int64(1), [1, 1]), K.SIZE.bad, "1"),
    groups=Kind((1, np.int64(1)), (0, "1", NAN, None, [], ODD, np.ones(2)), "1"),
    activation=ACTIVATION,
    use_bias=K.FLAG,
    kernel_initializer=INITIALIZER,
    bias_initializer=INITIALIZER,
    algorithm=K.one_of("im2col", "auto", "winograd"),
)
layer(
    "layers.Dense",
    units=K.POSITIVE,
    activation=ACTIVATION,
    use_bias=K.FLAG,
    kernel_initializer=INITIALIZER,
    bias_initializer=INITIALIZER,
)
layer(
    "layers.BatchNormalization",
    axis=Kind((-1, np.int64(-1), np.array(-1)), (0, *K.NO_WHOLE), "axis"),
    momentum=K.RATE,
    epsilon=K.ABOVE_0,
    center=K.FLAG,
    scale=K.FLAG,
    beta_initializer=INITIALIZER,
    gamma_initializer=INITIALIZER,
    moving_mean_initializer=INITIALIZER,
    moving_variance_initializer=INITIALIZER,
    synchronized=K.FLAG,
)
layer(
    "layers.MaxPooling2D layers.AveragePooling2D",
    pool_size=K.SIZE,
    strides=K.optional(K.SIZE),
    padding=PADDING,
    data_format=ORDER,
)
layer("layers.GlobalMaxPooling2D layers.GlobalAveragePooling2D", data_format=ORDER, keepdims=K.FLAG)
SHARED = Kind(((None, 1, 1, 3), [None, 1, 1, 3], (None, np.int64(1), np.int64(1), 3)),
              (3, "x", (), (0,), (1.5, 1), (True,), {}, ODD, NAN, (-1, None)), "a tuple of whole numbers")  # fmt: skip
layer("layers.Dropout", rate=K.RATE, noise_shape=K.optional(SHARED), seed=K.SEED)
layer("layers.AlphaDropout", rate=K.BELOW_1, noise_shape=K.optional(SHARED), seed=K.SEED)
layer("layers.GaussianDropout", rate=K.BELOW_1, seed=K.SEED)
layer("layers.SpatialDropout2D", rate=K.RATE, data_format=ORDER, seed=K.SEED)
layer("layers.Flatten", data_format=ORDER)
layer(
    "layers.Reshape",
    target_shape=Kind(
        ((6, -1), [6, -1], (np.int64(6), -1), np.array([6, -1])),
        (
            3,
            "ab",
            NAN,
            None,
            True,
            {},
            ODD,
            (0, 2),
            (-2, 2),
            (-1, -1),
            (1.5, 2),
            (NAN, 2),
            ("6", 2),
            (None, 2),
            (True, 2),
            ((1, 2), 3),
        ),
        "whole numbers of at least 1",
    ),
)
layer(
    "layers.ZeroPadding2D",
    padding=Kind(
        (((2, 2), (2, 2)), 2, np.int64(2), (2, 2), [2, (2, np.int64(2))], np.array([2, 2])),
        (
            -1,
            1.5,
            NAN,
            "2",
            "ab",
            True,
            None,
            {},
            ODD,
            (),
            (1,),
            (1, 2, 3),
            (1, -1),
            (1, 1.5),
            ((1, 2), (1, 2, 3)),
            ((1, "a"), 2),
            (None, 1),
            np.ones(2),
        ),
        "whole numbers of at least 0",
    ),
    data_format=ORDER,
)
layer("layers.Activation", activation=ACTIVATION)
BAD_AXES = (0, "x", NAN, None, [], ODD, np.ones(2), True, (1, 0), (1, 1))
layer("layers.Softmax", axis=Kind((-1, np.int64(-1)), BAD_AXES, "axis"))
layer("layers.ReLU", max_value=K.optional(K.AT_LEAST_0), negative_slope=K.AT_LEAST_0, threshold=K.AT_LEAST_0)
layer("layers.LeakyReLU", negative_slope=K.AT_LEAST_0, alpha=K.AT_LEAST_0)
layer("layers.ELU", alpha=K.FINITE)
layer(
    "layers.PReLU",
    alpha_initializer=INITIALIZER,
    shared_axes=Kind(
        ((1,), 1, np.int64(1), [1], np.array([1]), np.array(1)),
        (0, (0,), 1.5, NAN, "1", "ab", (1.5,), ("a",), (None,), (True,), {}, ODD, True),
        "axes",
    ),
)
INPUT = {
    "shape": K.SHAPE,
    "batch_size": K.optional(K.POSITIVE),
    "dtype": FLOAT32,
    "name": K.NAME,
    "batch_shape": K.optional(
        Kind(
            ((None, 6, 6, 1), [None, 6, 6, 1]),
            (3, "661", NAN, True, {}, ODD, (), (None, 0, 1), (None, 1.5), np.ones(3), ("a", 6, 6, 1), (0, 6, 6, 1)),
            "",
        )
    ),
}
NOT_THERE = Kind((False, None), (True, 1, "x", NAN, [], {}, ODD), "minicnn has no")
entry("Input", **INPUT, sparse=NOT_THERE, ragged=NOT_THERE, optional=NOT_THERE)
entry("layers.InputLayer", {"shape": (6, 6, 1)}, **INPUT | {
    "input_shape": K.optional(K.SHAPE), "trainable": K.FLAG, "batch_shape": INPUT["batch_shape"]._replace(good=()),
    "kwargs": LAYER["unknown"],
})  # fmt: skip
entry(
    "layers.Layer.__call__",
    {"inputs": minicnn.Tensor(IMAGES)},
    "layer",
    inputs=Kind((IMAGES,), (None, 3, "x", [], ODD), "a Tensor"),
    training=K.optional(K.FLAG),
    mask=Kind((None,), tuple(bad(one, "no masks") for one in (True, 1, "x", [], np.ones(2))), "mask"),
)
entry(
    "layers.Layer.compute_output_shape",
    None,
    "layer",
    input_shape=Kind(((None, 6, 6, 1), [8, 6, 6, 1]), (3, None, "661", (), ODD, (None, 1.5, 6, 1), (0, 6, 6, 1)), ""),
)
WEIGHTS = (
    bad([1], "4 weight arrays"),
    bad([], "weight arrays"),
    bad(3, "weight arrays"),
    bad(None, "weight arrays"),
    bad("abcd", "weight arrays"),
    bad(NAN, "weight arrays"),
    bad({}, "weight arrays"),
)
entry(
    "layers.Layer.set_weights",
    None,
    "layer",
    values=Kind(
        (),
        (
            bad([1], "2 weight arrays", "received 1"),
            bad([], "2 weight arrays"),
            bad(3, "weight arrays", "3"),
            bad(None, "weight arrays", "None"),
            bad({}, "weight arrays"),
            bad("ab", "weight arrays"),
            bad([np.ones((3, 3, 1, 2)), np.ones(3)], "bias", "(2,)", "(3,)"),
            bad([np.ones((3, 3, 1, 2)), ["a", "b"]], "bias"),
            bad([np.ones((3, 3, 1, 2)), [1, [2]]], "bias"),
            bad([np.ones((3, 3, 1, 2)), None], "bias"),
            bad(iter([1, 2]), "kernel"),
        ),
    ),
)
entry(
    "layers.Layer.from_config",
    None,
    "Dense",
    config=Kind(
        (),
        (None, 3, "x", [], ODD, K.Bad({}, ("Dense", "units"), True), K.Bad({"unit": 3}, ("Dense", "'unit'"), True)),
        "a dict",
    ),
)
entry(
    "layers.Lambda.from_config",
    {"config": {"function": "unknown"}},
    "Lambda",
    config=Kind((), (None, 3, "x", [], ODD, bad({"function": "unknown"}, "'unknown'", "custom_objects")), "a dict"),
    custom_objects=K.optional(Kind((), (3, "x", [], ODD), "a dict")),
    safe_mode=Kind(),
)

# optimizers -----------------------------------------------------------------------------------------------------------

LEARNING_RATE = Kind(K.AT_LEAST_0.good, K.AT_LEAST_0.bad, "number").but(
    bad(lambda a, b, c: 1.0, "a function of the step")
)
LEARNING_RATE = LEARNING_RATE._replace(bad=tuple(b for b in LEARNING_RATE.bad if b is not int))
BOUND = K.optional(K.ABOVE_0)
OPTIMIZER = {
    "learning_rate": LEARNING_RATE,
    "weight_decay": K.optional(K.AT_LEAST_0),
    "clipnorm": BOUND,
    "clipvalue": BOUND,
    "global_clipnorm": BOUND,
    "name": K.NAME,
    "lr": LEARNING_RATE._replace(called="learning_rate"),
    "decay": K.optional(K.AT_LEAST_0),
    "use_ema": K.FLAG,
    "learning_rate_factors": Kind(
        (None,), (3, "x", [], bad({"(": 1}, "regular"), bad({3: 1.0}, "string"), bad({"a": -1}, "of a"), ODD), ""
    ),
    "ema_momentum": K.RATE,
    "ema_overwrite_frequency": K.optional(K.POSITIVE),
    "loss_scale_factor": BOUND,
    "gradient_accumulation_steps": K.optional(K.count(2, 1, low=2)),
    "old": Kind((), (bad(3, "arguments of the optimizer"),)),
}


def optimizer(path: str, **arguments: Kind) -> None:
    common = {name: kind for name, kind in OPTIMIZER.items() if name != "old"}
    entry(path, **common | arguments | {"kwargs": OPTIMIZER["old"]})


entry("optimizers.Optimizer", **OPTIMIZER)
optimizer("optimizers.SGD", momentum=K.BELOW_1, nesterov=K.FLAG)
optimizer("optimizers.Adadelta", rho=K.BELOW_1, epsilon=K.AT_LEAST_0)
optimizer("optimizers.Adagrad", initial_accumulator_value=K.AT_LEAST_0, epsilon=K.AT_LEAST_0)
optimizer(
    "optimizers.Adam optimizers.AdamW",
    beta_1=K.BELOW_1,
    beta_2=K.BELOW_1,
    epsilon=K.optional(K.AT_LEAST_0),
    amsgrad=K.FLAG,
)
optimizer("optimizers.Lion", beta_1=K.BELOW_1, beta_2=K.BELOW_1)
STRENGTHS = (f"{one}_regularization_strength" for one in ("l1", "l2", "l2_shrinkage"))
optimizer(
    "optimizers.Ftrl",
    learning_rate_power=K.real(-0.5, 0.5, words="a finite number of at most 0"),
    initial_accumulator_value=K.AT_LEAST_0,
    beta=K.AT_LEAST_0,
    **dict.fromkeys(STRENGTHS, K.AT_LEAST_0),
)
VARIABLES = Kind((), (3, "bias", ODD, bad([3], "weights"), bad(np.ones(2), "weights")), "expected")
entry(
    "optimizers.Optimizer.exclude_from_weight_decay",
    {},
    "optimizer",
    var_list=VARIABLES,
    var_names=Kind((), (3, "bias", ["("], bad([3], "a string"), ODD), "expected"),
)
entry("optimizers.Optimizer.from_config", config=Kind((), (None, 3, "x", [], ODD), "a dict"))
MOMENTS = {"beta_1": K.BELOW_1, "beta_2": K.BELOW_1, "epsilon": K.AT_LEAST_0}
optimizer("optimizers.Adamax optimizers.Nadam optimizers.Lamb", **MOMENTS)
optimizer("optimizers.Adafactor", beta_2_decay=K.real(-0.5, 0.5, words="a finite number of at most 0"),
          epsilon_1=K.AT_LEAST_0, epsilon_2=K.AT_LEAST_0, clip_threshold=K.ABOVE_0, relative_step=K.FLAG)  # fmt: skip
optimizer("optimizers.RMSprop", rho=K.BELOW_1, momentum=K.BELOW_1, epsilon=K.AT_LEAST_0, centered=K.FLAG)


def identifier(called: str, *wrong_names: str, words: str) -> Kind:
    return Kind(
        (),
        (*(bad(name, "one of", repr(name)) for name in wrong_names), 3, NAN, [], {}, ODD, np.ones(2), int),
        words,
        called,
    )


OPTIMIZERS = identifier("optimizer", "addam", "", words="a name or an Optimizer")
LOSSES = identifier("loss", "mze", "", words="a name, a function or a Loss")
METRICS = identifier("metric", "acuracy", "", words="a name, a function (y_true, y_pred) or a Metric")
entry("optimizers.get", identifier=OPTIMIZERS.but(None))
entry("losses.get", identifier=LOSSES.but(None))
entry("metrics.get", identifier=METRICS.but(None))
DESCRIBED = Kind((), (None, 3, bad({}, "a name"), bad({"class_name": 3}, "received 3"),
                      bad({"class_name": "Nothing"}, "'Nothing'"), ODD), "expected", "expected")  # fmt: skip
OWN = Kind((None, {}), (3, "x", [], ODD), "a dict", "custom_objects")
for _family, _one in (("optimizers", "SGD"), ("losses", "Dice"), ("metrics", "AUC"),
                      ("optimizers.schedules", "CosineDecay")):  # fmt: skip
    _rate = {"initial_learning_rate": 0.5, "decay_steps": 2} if _one == "CosineDecay" else {}
    _given = {"config": {"class_name": _one, "config": _rate}}
    entry(f"{_family}.deserialize", _given, config=DESCRIBED, custom_objects=OWN)
for _family, _argument in (("optimizers", "optimizer"), ("losses", "loss"), ("metrics", "metric"),
                           ("optimizers.schedules", "schedule")):  # fmt: skip
    entry(f"{_family}.serialize", {}, **{_argument: Kind((), (None, 3, NAN, [], ODD), "expected", "expected")})
entry("initializers.get", where=Kind(), identifier=INITIALIZER._replace(called="expected"))

# initializers ---------------------------------------------------------------------------------------------------------

FANS = Kind(
    ((3, 4), [3, 4], (np.int64(3), 4), np.array([3, 4])),
    ("ab", NAN, None, True, {}, ODD, (-1, 2), (1.5, 2), (NAN,), ("6",), (None,), (True,), ((1, 2), 3)),
    "whole numbers of at least 0",
)
AXES = Kind((None,), ("x", 3, NAN, ODD, [1.5]), "a list of axes")
entry("initializers.fans", shape=FANS, input_axes=AXES, output_axes=AXES)
entry(
    "initializers.Initializer.__call__",
    None,
    "initializer",
    shape=FANS,
    rng=Kind((), (3, "x", [], ODD, NAN, np.random), "Generator"),
    dtype=Kind(("float32", None), ("x", 3, ODD), '"float32"'),
)
_one = tuple(b for b in K.FINITE.bad if not isinstance(getattr(b, "value", b), (list, tuple, np.ndarray)))
entry("initializers.Constant", value=K.FINITE._replace(bad=_one))
entry("initializers.Identity", gain=K.FINITE)
entry("initializers.RandomInitializer", seed=K.SEED)
entry("initializers.RandomNormal initializers.TruncatedNormal", mean=K.FINITE, stddev=K.AT_LEAST_0, seed=K.SEED)
entry(
    "initializers.RandomUniform",
    {"minval": -10.0, "maxval": 10.0},
    minval=K.FINITE.but(bad(11, "11")),
    maxval=K.FINITE.but(bad(-11, "-11")),
    seed=K.SEED,
)
entry(
    "initializers.VarianceScaling",
    scale=K.ABOVE_0,
    mode=K.one_of("fan_in", "fan_out", "fan_avg"),
    distribution=K.one_of("uniform", "truncated_normal", "untruncated_normal"),
    seed=K.SEED,
    input_axes=AXES,
    output_axes=AXES,
)
entry(
    "initializers.GlorotUniform initializers.GlorotNormal initializers.HeUniform "
    "initializers.HeNormal initializers.LecunUniform initializers.LecunNormal",
    seed=K.SEED,
    input_axes=AXES,
    output_axes=AXES,
)
entry("initializers.Orthogonal", gain=K.FINITE, seed=K.SEED)
entry("initializers.Custom", function=K.FUNCTION)

# activations ----------------------------------------------------------------------------------------------------------

NUMBERS = Kind((0.5,), tuple(b for b in K.no_arrays() if b.value is not int), "")
ONE_ARGUMENT = (
    "exponential hard_sigmoid hard_silu hard_tanh linear log_sigmoid mish relu6 selu sigmoid silu softplus softsign "
    "sparse_plus sparse_sigmoid tanh tanh_shrink"
)
entry(" ".join(f"activations.{name}" for name in ONE_ARGUMENT.split()), x=NUMBERS)
LIMIT = K.optional(K.FINITE)
entry("activations.relu", x=NUMBERS, negative_slope=K.FINITE, max_value=LIMIT, threshold=K.FINITE)
entry("activations.leaky_relu", x=NUMBERS, negative_slope=K.FINITE)
entry("activations.elu", x=NUMBERS, alpha=K.FINITE)
entry("activations.celu", x=NUMBERS, alpha=K.ABOVE_0)
entry("activations.gelu", x=NUMBERS, approximate=K.FLAG)
ALONG = Kind((-1,), (0.5, "x", NAN, None, True, {}, ODD, [0.5], []), "an axis or axes")
entry("activations.softmax activations.log_softmax", {"x": [[0.5, 0.5]]}, x=NUMBERS, axis=ALONG)
ALONG_ONE = ALONG.but(bad((0, 1), "an axis"))
entry("activations.sparsemax", {"x": [[0.5, 0.5]]}, x=NUMBERS, axis=ALONG_ONE)
entry("activations.glu", {"x": [[0.5, 0.5]]}, x=NUMBERS.but(bad([[0.5]], "even")),
      axis=Kind((-1,), ALONG.bad, "an axis or axes"))  # fmt: skip
entry("activations.hard_shrink activations.soft_shrink", x=NUMBERS, threshold=K.FINITE)
entry("activations.squareplus", x=NUMBERS, b=K.FINITE)
entry("activations.threshold", x=NUMBERS, threshold=K.FINITE, default_value=K.FINITE)
entry("activations.get", identifier=Kind((), (bad("rleu", "one of"), bad("", "one of"), 3, [], {}, ODD), "a name",
                                          "activation"))  # fmt: skip
entry("activations.serialize", activation=Kind((), (None, 3, "relu", [], ODD, bad(len, "one of")), "one of"))

# regularizers and constraints -----------------------------------------------------------------------------------------

entry("regularizers.get", where=Kind(), identifier=REGULARIZER._replace(called="expected"))
entry("constraints.get", where=Kind(), identifier=CONSTRAINT._replace(called="expected"))
entry("regularizers.L1", l1=K.optional(K.AT_LEAST_0))
entry("regularizers.L2", l2=K.optional(K.AT_LEAST_0))
entry("regularizers.L1L2", l1=K.optional(K.AT_LEAST_0), l2=K.optional(K.AT_LEAST_0))
entry("regularizers.OrthogonalRegularizer", factor=K.AT_LEAST_0, mode=K.one_of("rows", "columns", words="or"))
NORM_AXIS = Kind((0, np.int64(0), np.array(0)), (0.5, "x", NAN, None, True, {}, ODD, [0.5], ["x"]), "an axis or axes")
entry("constraints.MaxNorm", max_value=K.AT_LEAST_0, axis=NORM_AXIS)
entry("constraints.UnitNorm", axis=NORM_AXIS)
entry("constraints.MinMaxNorm", min_value=K.AT_LEAST_0, max_value=K.AT_LEAST_0, rate=K.RATE, axis=NORM_AXIS)

# losses and metrics ---------------------------------------------------------------------------------------------------

REDUCTION = K.one_of("sum", "none", "sum_over_batch_size", "mean")
REDUCTION = K.optional(REDUCTION)
AXIS = Kind((-1, np.int64(-1)), (0.5, "x", NAN, None, [], ODD, np.ones(2)), "a whole number")
WHOLE = K.optional(Kind((-1, np.int64(-1)), (0.5, "x", NAN, [], ODD, np.ones(2)), "a whole number"))
AXES = K.optional(Kind((-1, np.int64(-1)), (0.5, "x", NAN, {}, ODD), "an axis or axes"))
TYPE = K.optional(Kind(("float32", None), ("float16", "x", 3, [], ODD), "float32"))


def loss(path: str, **arguments: Kind) -> None:
    entry(path, **arguments, reduction=REDUCTION, name=K.NAME, dtype=TYPE)


loss(
    "losses.Loss losses.Elementwise losses.MeanSquaredError losses.MeanAbsoluteError losses.LogCosh losses.Hinge "
    "losses.MeanAbsolutePercentageError losses.MeanSquaredLogarithmicError losses.SquaredHinge "
    "losses.CategoricalHinge losses.KLDivergence losses.Poisson"
)
CROSS = {"from_logits": K.FLAG, "label_smoothing": K.RATE, "axis": AXIS}
loss("losses.CategoricalCrossentropy losses.BinaryCrossentropy", **CROSS)
loss("losses.SparseCategoricalCrossentropy", from_logits=K.FLAG, ignore_class=WHOLE, axis=AXIS)
EACH = (NAN, "1", None, True, {}, ODD, bad(["x"], "x"), bad([NAN], "nan"))
EACH = Kind((0.5, np.float64(0.5)), EACH, "a finite number")
loss("losses.CategoricalFocalCrossentropy", alpha=EACH, gamma=K.AT_LEAST_0, **CROSS)
loss("losses.BinaryFocalCrossentropy", apply_class_balancing=K.FLAG, alpha=K.FINITE, gamma=K.AT_LEAST_0, **CROSS)
loss("losses.CategoricalGeneralizedCrossEntropy", q=K.real(0.5, 0, 1, words="a number above 0 to below 1"))
loss("losses.Huber", delta=K.ABOVE_0)
loss("losses.CosineSimilarity", axis=AXIS)
loss("losses.Dice", axis=AXES)
loss("losses.Tversky", alpha=K.FINITE, beta=K.FINITE, axis=AXES)
entry("losses.FunctionLoss", function=K.FUNCTION)
P = np.full((8, 3), 1 / 3)
TRUE = Kind(
    (),
    (
        *K.no_arrays(),
        bad(None, "None"),
        bad(ONE_HOT[:, :2], "(8, 2)"),
        bad(K.spoiled(ONE_HOT), "nan", "row 3"),
        bad(3, ""),
        bad([], ""),
    ),
    called="categorical_crossentropy",
)
PREDICTED = Kind((), (*K.no_arrays(), bad(None, "None"), bad(3, "3"), bad([], "")))
entry(
    "losses.Loss.__call__",
    {"y_true": ONE_HOT, "y_pred": P},
    "loss",
    y_true=TRUE,
    y_pred=PREDICTED,
    sample_weight=Kind((), (*K.no_arrays(), bad(np.ones(3), "(3,)"), bad(K.spoiled(np.ones(8)), "finite"))),
)
FLAT = {"y_true": np.full((8, 3), 0.5), "y_pred": P}


def loss_function(name: str, given: dict | None = None, **options: Kind) -> None:
    truth = Kind((), (*K.no_arrays(), bad(None, "None"), bad(np.ones((8, 7)), "(8, 7)"), bad(3, "")), called=name)
    predicted = Kind((), (*K.no_arrays(), bad(None, "None"), bad(3, "")), called=name)
    entry(f"losses.{name}", given or FLAT, y_true=truth, y_pred=predicted, **options)


for _name in ("categorical_hinge", "hinge", "kl_divergence", "log_cosh", "mean_absolute_error", "poisson",
              "mean_absolute_percentage_error", "mean_squared_error", "mean_squared_logarithmic_error",
              "squared_hinge"):  # fmt: skip
    loss_function(_name)
loss_function("huber", delta=K.ABOVE_0)
loss_function("cosine_similarity", axis=AXIS)
loss_function("dice", axis=AXES)
loss_function("tversky", alpha=K.FINITE, beta=K.FINITE, axis=AXES)
loss_function("binary_crossentropy", **CROSS)
loss_function("binary_focal_crossentropy", apply_class_balancing=K.FLAG, alpha=K.FINITE, gamma=K.AT_LEAST_0, **CROSS)
loss_function("categorical_crossentropy", **CROSS)
loss_function("categorical_focal_crossentropy", alpha=EACH, gamma=K.AT_LEAST_0, **CROSS)
NUMBERED = {"y_true": LABELS, "y_pred": P}
loss_function("sparse_categorical_crossentropy", NUMBERED, from_logits=K.FLAG, ignore_class=WHOLE, axis=AXIS)
loss_function("categorical_generalized_cross_entropy", NUMBERED, q=K.real(0.5, 0, 1, words="a number above 0 to below"))
M = {
    "y_true": Kind(
        (), (*K.no_arrays(), bad(None, "None"), bad(np.ones((8, 7)), "(8, 7)"), bad(3, "")), called="metric"
    ),
    "y_pred": Kind((), (*K.no_arrays(), bad(None, "None"), bad(np.ones((7, 3)), "7"), bad(3, "")), called="metric"),
}
BOTH, SPARSE_BOTH = {"y_true": ONE_HOT, "y_pred": P}, {"y_true": LABELS, "y_pred": P}
entry(
    "metrics.categorical_accuracy metrics.mean_squared_error metrics.mean_absolute_error metrics.equality "
    "metrics.accuracy",
    BOTH,
    **M,
)
entry("metrics.binary_accuracy", BOTH, **M, threshold=K.FINITE)
entry("metrics.sparse_categorical_accuracy", SPARSE_BOTH, **M)
entry("metrics.top_k_categorical_accuracy", BOTH, **M, k=K.POSITIVE)
entry("metrics.sparse_top_k_categorical_accuracy", SPARSE_BOTH, **M, k=K.POSITIVE, from_sorted_ids=K.FLAG)
entry(
    "metrics.categorical_crossentropy metrics.binary_crossentropy",
    BOTH,
    **M,
    from_logits=K.FLAG,
    label_smoothing=K.RATE,
)
entry("metrics.sparse_categorical_crossentropy", SPARSE_BOTH, **M, from_logits=K.FLAG, ignore_class=WHOLE)
METRIC = {"name": K.TEXT, "direction": K.optional(K.one_of("max", "min"))}
entry("metrics.cosine_similarity metrics.pearson_correlation metrics.concordance_correlation", BOTH, **M, axis=AXIS)
DIRECTION = K.optional(K.one_of("max", "min"))
entry(
    "metrics.MeanMetricWrapper",
    {"fn": metrics.accuracy},
    fn=K.FUNCTION,
    name=K.NAME,
    dtype=TYPE,
    direction=DIRECTION,
    options=Kind(),
)


def metric(path: str, given: dict | None = None, **arguments: Kind) -> None:
    for one in path.split():
        entry(f"metrics.{one}", {"name": "mine"} | (given or {}), **arguments, name=K.NAME, dtype=TYPE)


metric("Accuracy CategoricalAccuracy SparseCategoricalAccuracy MeanSquaredError MeanAbsoluteError RootMeanSquaredError")
metric("MeanAbsolutePercentageError MeanSquaredLogarithmicError LogCoshError Hinge SquaredHinge CategoricalHinge Sum")
metric("KLDivergence Poisson Mean")
metric("BinaryAccuracy", threshold=K.FINITE)
metric("TopKCategoricalAccuracy", k=K.POSITIVE)
metric("SparseTopKCategoricalAccuracy", k=K.POSITIVE, from_sorted_ids=K.FLAG)
metric("CosineSimilarity PearsonCorrelation ConcordanceCorrelation", axis=AXIS)
LAST_AXIS = Kind((-1, np.int64(-1)), (1, 0, "x", NAN, None, [], ODD, np.ones(2)), "-1")
metric("CategoricalCrossentropy", from_logits=K.FLAG, label_smoothing=K.RATE, axis=LAST_AXIS)
metric("BinaryCrossentropy", from_logits=K.FLAG, label_smoothing=K.RATE)
metric("SparseCategoricalCrossentropy", from_logits=K.FLAG, ignore_class=WHOLE, axis=LAST_AXIS)
AT = K.optional(
    Kind((0.5, np.float64(0.5)), ("x", NAN, 2, -0.5, {}, ODD, bad([], "at least one"), bad([0.5, 2], "2")), "a number")
)
CLASS = K.optional(K.FROM_0)
metric("TruePositives TrueNegatives FalsePositives FalseNegatives", thresholds=AT)
metric("Precision Recall", thresholds=AT, top_k=K.optional(K.POSITIVE), class_id=CLASS)
for _name, _of in {
    "SensitivityAtSpecificity": "specificity", "SpecificityAtSensitivity": "sensitivity",
    "PrecisionAtRecall": "recall", "RecallAtPrecision": "precision",
}.items():  # fmt: skip
    metric(_name, {_of: 0.5}, **{_of: K.RATE}, num_thresholds=K.POSITIVE, class_id=CLASS)
NUMBERS = Kind((), ("x", NAN, 3, {}, ODD, bad(["x"], "x"), bad([NAN], "nan"), bad([-1.0], "-1")), "numbers")
metric(
    "AUC",
    {"multi_label": True},
    num_thresholds=K.count(low=2),
    curve=K.one_of("ROC", "PR", "PRGAIN"),
    summation_method=K.one_of("interpolation", "minoring", "majoring"),
    thresholds=NUMBERS,
    multi_label=K.FLAG,
    num_labels=K.optional(K.POSITIVE),
    label_weights=NUMBERS,
    from_logits=K.FLAG,
)
AVERAGE = K.optional(Kind(("micro", np.str_("micro")), ("x", 7, NAN, [], ODD, np.ones(2)), "micro"))
SHARE = K.optional(K.real(0.5, 0, 1.1, words="a number above 0 to 1"))
metric("FBetaScore", average=AVERAGE, beta=K.ABOVE_0, threshold=SHARE)
metric("F1Score", average=AVERAGE, threshold=SHARE)
CLASSES = {"num_classes": K.POSITIVE, "ignore_class": WHOLE, "sparse_y_true": K.FLAG, "sparse_y_pred": K.FLAG,
           "axis": AXIS}  # fmt: skip
HOT = {name: kind for name, kind in CLASSES.items() if name != "sparse_y_true"}
IDS = Kind(([0, 1], (0, 1)), ("x", 3, NAN, {}, ODD, None, bad([], "a list of classes"), bad([2], "2")), "a list of")
metric("IoU", {"num_classes": 2, "target_class_ids": [0]}, target_class_ids=IDS, **CLASSES)
metric("OneHotIoU", {"num_classes": 2, "target_class_ids": [0]}, target_class_ids=IDS, **HOT)
metric("MeanIoU", {"num_classes": 2}, **CLASSES)
metric("OneHotMeanIoU", {"num_classes": 2}, **HOT)
metric("BinaryIoU", target_class_ids=IDS, threshold=K.FINITE)
metric(
    "R2Score",
    class_aggregation=K.optional(K.one_of("uniform_average", "variance_weighted_average")),
    num_regressors=K.FROM_0,
)
entry(
    "metrics.MeanMetricWrapper.update_state",
    BOTH,
    "metric",
    **M,
    sample_weight=Kind((), (*K.no_arrays(), bad(np.ones(3), "(3,)"), bad(K.spoiled(np.ones(8)), "finite"))),
)
entry(
    "to_categorical",
    {"y": LABELS},
    y=Kind(
        (),
        (
            *K.no_arrays(),
            bad(None, "None"),
            bad([], "at least one label"),
            bad([-1], "-1", "row 0"),
            bad([0.5], "0.5"),
            bad([NAN], "nan"),
            bad([1, INF], "inf", "row 1"),
            bad([2**40], "row 0"),
        ),
    ),
    num_classes=K.optional(K.POSITIVE),
)

# callbacks ------------------------------------------------------------------------------------------------------------

VERBOSE = Kind((1, np.int64(1), True, 1.0)[:3], (-1, 3, "1", "x", NAN, [], ODD, np.ones(2), 1.5), "0, 1")
PATIENCE = FROM_0 = K.FROM_0
MONITOR = {
    "monitor": K.TEXT,
    "mode": Kind(("min", np.str_("min")), ("", 3, NAN, None, [], ODD, np.ones(2)), "a string"),
    "min_delta": K.FINITE,
    "verbose": VERBOSE,
}
entry(
    "callbacks.EarlyStopping",
    **MONITOR,
    patience=PATIENCE,
    baseline=K.optional(K.FINITE),
    restore_best_weights=K.FLAG,
    start_from_epoch=FROM_0,
)
entry(
    "callbacks.ReduceLROnPlateau",
    **MONITOR,
    factor=K.BELOW_1,
    patience=PATIENCE,
    cooldown=FROM_0,
    min_lr=K.AT_LEAST_0,
    epsilon=K.FINITE._replace(called="min_delta"),
    old=Kind((), (bad(3, "Keras's arguments"),)),
)
CHECKPOINT = Kind(
    (),
    (
        *K.PATH.bad,
        bad("x.npz", "x.npz"),
        bad("x", "filepath to end"),
        bad("{.minicnn", "filepath", "{"),
        bad("{loss:d}.minicnn", "loss", "d"),
        bad("{epoch:d.2}.minicnn", "epoch"),
        bad("{epoch:.3q}.minicnn", "epoch"),
        bad("{epoch!z}.minicnn", "filepath"),
        bad("{}.minicnn", "filepath"),
        bad("{0}.minicnn", "filepath"),
        bad("{epoch.real.x}.minicnn", "filepath"),
        bad("{epoch[0]}.minicnn", "filepath"),
        bad("{epoch:{loss}}.minicnn", "filepath"),
    ),
    "a path",
)
entry(
    "callbacks.ModelCheckpoint",
    {"filepath": "x.minicnn"},
    **MONITOR,
    filepath=CHECKPOINT,
    save_best_only=K.FLAG,
    save_weights_only=K.FLAG._replace(good=()),
    save_freq=Kind(
        (2, np.int64(2)),
        (0, -1, 1.5, NAN, "epochs", "", None, True, [], ODD, np.ones(2)),
        '"epoch" or a positive number',
    ),
    initial_value_threshold=K.optional(K.FINITE),
    period=K.POSITIVE,
)
entry("callbacks.SwapEMAWeights", swap_on_epoch=K.FLAG)
_FLAG, _FROM_0 = K.FLAG._replace(good=()), K.FROM_0._replace(good=())  # a good one needs the package tensorboardX
entry(
    "callbacks.TensorBoard",
    log_dir=K.PATH.but(bad("gs://logs/run", "a folder of this machine")),
    histogram_freq=_FROM_0,
    write_graph=_FLAG,
    write_images=_FLAG,
    write_steps_per_second=_FLAG,
    update_freq=Kind((), (0, -1, 1.5, NAN, "epochs", "", None, True, [], ODD, np.ones(2)), '"epoch", "batch" or'),
    profile_batch=Kind((), (-1, 1.5, NAN, "a", "", "1,2,3", (1, 2, 3), (3, 2), None, True, [], {}, ODD, np.ones(2)),
                       "the number of a batch"),
    embeddings_freq=_FROM_0,
    embeddings_metadata=Kind((), (3, NAN, True, [], ODD, np.ones(2)), "a file name or a dict"),
)  # fmt: skip
HEADERS = Kind((), (3, "a", ODD, [], np.ones(2), bad({"a": 3}, "a string"), bad({3: "a"}, "a string")), "a dict")
entry(
    "callbacks.RemoteMonitor",
    root=K.TEXT._replace(good=("http://localhost:9000",)),
    path=K.TEXT._replace(good=(), bad=(3, NAN, None, ODD)),
    field=K.TEXT,
    headers=HEADERS,
    send_as_json=K.FLAG,
)
entry(
    "callbacks.CSVLogger",
    {"filename": "x.csv"},
    filename=K.PATH,
    separator=Kind((";",), ("ab", "", "\n", "\r", '"', 3, None, NAN, [], b",", ODD), "one character"),
    append=K.FLAG,
)
entry(
    "callbacks.LearningRateScheduler",
    {"schedule": lambda epoch: 0.1},
    schedule=K.FUNCTION.but(bad(lambda a, b, c: 1.0, "epoch", "lr")),
    verbose=VERBOSE,
)
entry("callbacks.TerminateOnNaN", raise_error=K.FLAG)
entry("callbacks.ProgressBar", verbose=VERBOSE)
HOOK = K.optional(K.FUNCTION)
entry(
    "callbacks.LambdaCallback",
    on_epoch_begin=HOOK,
    on_epoch_end=HOOK,
    on_train_begin=HOOK,
    on_train_end=HOOK,
    on_train_batch_begin=HOOK,
    on_train_batch_end=HOOK,
    on_test_begin=HOOK,
    hooks=Kind((), (bad(print, "one of"),)),
)
CALLBACKS = Kind(
    (),
    (
        3,
        "x",
        NAN,
        bad([3], "3"),
        bad(["x"], "'x'"),
        {},
        ODD,
        bad((None, 3), "3"),
        callbacks.EarlyStopping,
        bad([callbacks.History], "the class History"),
    ),
    "Callback instances",
)
entry(
    "callbacks.CallbackList",
    callbacks=CALLBACKS,
    model=Kind(),
    params=Kind((), (3, "x", [], ODD), "a dict"),
    add_history=K.FLAG,
    add_progbar=K.FLAG,
)

# data -----------------------------------------------------------------------------------------------------------------

SHIFT = Kind(
    (0.5, np.float32(0.5), np.float64(0.5), np.array(0.5)),
    (-1, NAN, INF, "a", None, True, {}, ODD, [], ["a"], [NAN], [1, None], (True,), np.ones((2, 2))),
    "number",
)
NUMBER_0 = K.AT_LEAST_0
PAIR = ((1, 2, 3), (1,), (), ("a", "b"), (1, NAN), (1, None), "ab", {}, ODD, NAN, np.ones((2, 2)))
ALTERNATING = K.FLAG._replace(words='True, False or "alternating"')
entry(
    "data.ImageDataGenerator",
    featurewise_center=K.FLAG,
    samplewise_center=K.FLAG,
    featurewise_std_normalization=K.FLAG,
    samplewise_std_normalization=K.FLAG,
    zca_whitening=K.FLAG,
    zca_epsilon=NUMBER_0,
    rotation_range=NUMBER_0,
    width_shift_range=SHIFT,
    height_shift_range=SHIFT,
    brightness_range=K.optional(
        Kind(((0.5, 1.5), [0.5, 1.5], np.array([0.5, 1.5])), (*PAIR, 3, (-1, 1)), "two numbers")
    ),
    shear_range=NUMBER_0,
    zoom_range=Kind(
        ((0.5, 1.5), 0.5, np.float32(0.5), [0.5, 1.5], np.array(0.5)),
        (*PAIR, -0.1, 1, "a", None, True, (0, 1)),
        "two positive numbers",
    ),
    channel_shift_range=NUMBER_0,
    fill_mode=K.one_of("nearest", "constant", "reflect", "wrap"),
    cval=K.real(0.5, words="a finite number"),
    horizontal_flip=ALTERNATING,
    vertical_flip=ALTERNATING,
    rescale=K.optional(K.real(0.5, words="a finite number")),
    preprocessing_function=HOOK,
    data_format=ORDER,
    validation_split=K.real(0.5, -0.1, 1, words="a number from 0 to below 1"),
    interpolation_order=Kind((1, np.int64(1)), (0, 2, "1", NAN, None, [], ODD, np.ones(2)), "1"),
    dtype=FLOAT32,
    keras_compat=K.FLAG,
    misspelt=Kind((), (bad(3, "misspelt", "arguments of"),)),
)
FLOW_X = Kind(
    (),
    (
        *K.no_arrays(),
        bad(None, "None"),
        bad(3, "shape"),
        bad(IMAGES[0], "(6, 6, 1)"),
        bad(IMAGES[:0], "at least one"),
        bad(K.spoiled(IMAGES), "nan", "row 3"),
        bad(IMAGES[:, :0], "(8, 0, 6, 1)"),
    ),
)
LENGTH = bad(np.ones(3), "3", "same number of rows")
ROWS = (
    LENGTH,
    bad(3, "3"),
    bad("abcdefgh", "numbers"),
    bad(K.RAGGED, ""),
    bad(np.full(8, "a"), "numbers"),
    bad(ODD, ""),
    bad(np.full(8, None), "numbers"),
)
WEIGHT_ROWS = (*ROWS, bad(K.spoiled(np.ones(8)), "finite"), bad(np.ones((8, 2)), "(8, 2)"))
entry(
    "data.ImageDataGenerator.flow",
    {"x": IMAGES},
    "generator",
    save_to_dir=K.optional(K.PATH).but(bad("/nowhere", "/nowhere")),
    save_prefix=Kind((), (3, None, NAN, ODD, "a/b"), "the beginning"),
    save_format=K.one_of("png", "jpg", "jpeg")._replace(good=()),
    ignore_class_split=K.FLAG._replace(good=()),
    x=FLOW_X,
    y=Kind((), ROWS),
    batch_size=K.POSITIVE,
    shuffle=K.FLAG,
    sample_weight=Kind((), WEIGHT_ROWS),
    seed=K.SEED,
    subset=K.optional(K.one_of("training", "validation")),
)
entry(
    "data.ImageDataGenerator.fit",
    {"x": IMAGES, "augment": True},
    "generator",
    x=FLOW_X,
    augment=K.FLAG,
    rounds=K.POSITIVE,
    seed=K.SEED,
)
ONE_IMAGE = Kind(
    (),
    (
        *K.no_arrays(),
        bad(None, "None"),
        bad(3, "shape"),
        bad(IMAGES, "shape"),
        bad(IMAGES[0, :0], "shape"),
        bad(K.spoiled(IMAGES[0]), "finite"),
    ),
)
entry(
    "data.ImageDataGenerator.standardize",
    {"x": IMAGES},
    "generator",
    x=Kind((), (*K.no_arrays(), bad(None, "None"), bad(3, "shape"), bad(IMAGES[0, 0, 0], "shape"))),
)
entry(
    "data.ImageDataGenerator.get_random_transform",
    {"img_shape": (6, 6, 1)},
    "generator",
    img_shape=K.SHAPE.but((6, 6)),
    seed=K.SEED,
)
entry("data.ImageDataGenerator.random_transform", {"x": IMAGES[0]}, "generator", x=ONE_IMAGE, seed=K.SEED)
entry(
    "data.ImageDataGenerator.apply_transform",
    {"x": IMAGES[0], "transform_parameters": {"theta": 3.0}},
    "generator",
    x=ONE_IMAGE,
    transform_parameters=Kind(
        (),
        (
            3,
            "x",
            [],
            None,
            ODD,
            bad({"thta": 3}, "thta"),
            bad({"theta": NAN}, "theta", "nan"),
            bad({"theta": "a"}, "theta"),
            bad({"zx": [1]}, "zx"),
            bad({3: 3}, "3"),
        ),
        "a dict",
    ),
)
entry(
    "data.train_test_split",
    {"x": IMAGES, "y": LABELS, "test_size": 2, "seed": 0},
    x=Kind(
        (),
        (bad(None, "None"), bad(3, "3"), bad(IMAGES[:3], "3"), bad(ODD, "odd"), bad({}, "{}"), bad("abcdefgh", "abc")),
    ),
    y=Kind((), (bad(None, "None"), bad(3, "3"), bad(LABELS[:3], "3"), bad(ODD, "odd"), bad("abcdefgh", "abc"))),
    test_size=Kind(
        (2, np.int64(2)), (0, -1, 8, 1.0, 0.0, 1.5, NAN, INF, "2", None, True, [], ODD, np.ones(2)), "test_size"
    ),
    seed=Kind((3, np.int64(3)), (-1, 2**32, 1.5, NAN, "a", True, [], ODD, np.ones(2)), "from 0 to"),
    stratify=K.FLAG,
)
entry(
    "data.image_dataset_from_directory",
    {"directory": "/nowhere/at/all"},
    directory=K.PATH,
    labels=Kind((), (3, "cats", NAN, {}, ODD, [1.5], ["a"], np.ones(2)), "labels"),
    label_mode=Kind((), (3, "sparse", NAN, [], {}, ODD, True), "label_mode"),
    class_names=Kind((), (3, "cats", {}, ODD), "class_names"),
    color_mode=Kind((), (3, "cmyk", NAN, [], {}, ODD, None), "color_mode"),
    batch_size=K.optional(K.POSITIVE),
    image_size=Kind((), (bad(0, "(0, 0)"), 1.5, NAN, "a", None, (1, 2, 3), (0, 3), {}, ODD), "image_size"),
    seed=Kind((), (-1, 2**32, 1.5, NAN, "a", True, [], ODD, np.ones(2)), "seed"),
    validation_split=Kind((), (0.0, 1.0, -1, 1.5, NAN, "a", True, [], ODD, np.ones(2)), "validation_split"),
    subset=Kind((), (3, "test", NAN, [], {}, ODD, True), "subset"),
    interpolation=Kind((), (3, "area", NAN, [], {}, ODD, None), "interpolation"),
    data_format=Kind((), (3, "channels_first", [], {}, ODD), "data_format"),
    format=Kind((), (3, "torch", [], {}, ODD, None), "format"),
    shuffle=K.FLAG._replace(good=()),
    follow_links=K.FLAG._replace(good=()),
    crop_to_aspect_ratio=K.FLAG._replace(good=()),
    pad_to_aspect_ratio=K.FLAG._replace(good=()),
    verbose=K.FLAG._replace(good=()),
)
entry("data.digits.split", seed=Kind((), (-1, 2**32, 1.5, NAN, "a", True, [], ODD, np.ones(2)), "from 0 to"))
FOLDER = K.PATH.but(K.place("/nowhere/at/all"))
FILE = FOLDER.but(K.place("/"))
entry(
    "data.kaggle_digits.load_data data.kaggle_digits.find data.mnist.load_idx",
    {"folder": "/nowhere"},
    folder=FOLDER,
    digests=Kind((), (bad(3, "digests"), bad("x", "digests"), bad([], "digests"), bad({"x": 3}, "digests"))),
)
TABLE["data.kaggle_digits.load_data"].arguments  # noqa: B018
entry("data.kaggle_digits.available", folder=K.PATH)
entry(
    "data.kaggle_digits.read_csv", {"path": "/nowhere", "labelled": True}, path=FILE, labelled=K.FLAG._replace(good=())
)
entry(
    "data.mnist.load_data data.fashion_mnist.load_data data.cifar10.load_data data.cifar100.load_data",
    path=K.optional(FOLDER),
    mirrors=Kind(
        (),
        (
            bad(3, "mirrors"),
            bad("https://x/", "mirrors"),
            bad([3], "mirrors"),
            bad([], "mirrors"),
            bad([None], "mirrors"),
        ),
    ),
)
LABEL_MODE = {"label_mode": K.one_of("fine", "coarse", words='"fine" or "coarse"')}
TABLE["data.cifar100.load_data"] = TABLE["data.cifar100.load_data"]._replace(
    arguments=TABLE["data.cifar100.load_data"].arguments | LABEL_MODE
)
entry("data.mnist.read_idx", path=FILE)
for _path in ("data.kaggle_digits.load_data", "data.kaggle_digits.find"):
    TABLE[_path] = Call({"folder": FOLDER})

# io -------------------------------------------------------------------------------------------------------------------

entry("io.atomic_write", {"path": "x"}, path=K.PATH, text=K.FLAG._replace(good=()))
entry("io.check_folder", {"path": ".", "where": "x"}, path=K.PATH, where=Kind())
MODEL = Kind((), (3, "x", None, [], ODD), "a model")
entry(
    "io.save_weights",
    {"model": "model", "path": "x.safetensors"},
    "uses model",
    model=MODEL,
    path=K.PATH.but(bad("x", "x")),
    overwrite=K.FLAG._replace(good=()),
)
entry(
    "io.load_weights",
    {"model": "model", "path": "x.safetensors"},
    "uses model",
    model=MODEL,
    path=K.PATH.but(bad("x", "x"), K.place("/nowhere.safetensors")),
)
entry("io.weights.read", path=FILE)
entry("io.weights.checked", path=K.PATH)
entry(
    "io.history.write",
    {"path": "x.csv", "history": {"loss": [1.0]}},
    path=K.PATH,
    history=Kind(
        (),
        (
            3,
            "x",
            [],
            None,
            ODD,
            bad({"loss": 3}, "loss"),
            bad({"loss": ["a"]}, "loss", "numbers"),
            bad({"loss": [1.0], "accuracy": []}, "accuracy"),
            bad({"loss": "ab"}, "loss"),
        ),
        "a History",
    ),
)
entry("io.history.read", path=FILE)
entry(
    "io.submission.write",
    {"path": "x.csv", "labels": LABELS},
    path=K.PATH,
    labels=Kind(
        (),
        (
            *K.no_arrays(),
            bad(None, "None"),
            bad([], "labels"),
            bad([10], "10"),
            bad([0.5], "integer"),
            bad(ONE_HOT, "(8, 3)"),
            bad(3, ""),
        ),
    ),
)
entry("io.submission.check", {"path": "/nowhere", "rows": 3}, path=FILE, rows=K.FROM_0._replace(good=()))

# reports --------------------------------------------------------------------------------------------------------------

CLASSES = Kind(
    (),
    (
        *K.no_arrays(),
        bad(None, "None"),
        bad(3, "shape"),
        bad([-1], "-1"),
        bad([0.5], "0.5"),
        bad([NAN], "nan"),
        bad(np.ones((2, 2, 2)), "shape"),
    ),
)
LENGTHS = bad(LABELS[:3], "3")
CLASS = K.POSITIVE._replace(good=())
FEW = CLASS.but(2**40, words="a whole number from 1 to")
TITLE = K.TEXT._replace(good=(), bad=(3, NAN, None, [], ODD))
HISTORY = Kind(
    (),
    (3, "x", [], None, ODD, bad({"loss": 3}, "loss"), bad({"loss": ["a"]}, "loss"), bad({"loss": "ab"}, "loss")),
    "a History",
)
Y2 = {"y": LABELS, "prediction": LABELS}
entry(
    "reports.confusion.table",
    Y2,
    y=CLASSES.but(LENGTHS),
    prediction=CLASSES.but(LENGTHS),
    classes=CLASS,
    normalise=K.FLAG._replace(good=()),
)
entry(
    "reports.confusion.where",
    {"y": LABELS, "predicted": LABELS, "label": 1, "prediction": 1},
    y=CLASSES.but(LENGTHS),
    predicted=CLASSES.but(LENGTHS),
    label=K.FROM_0._replace(good=()),
    prediction=K.FROM_0._replace(good=()),
)
entry(
    "reports.confusion.draw",
    {"table": "table"},
    "uses table",
    table=Kind((), (3, "x", None, [], ODD, np.ones(3), np.ones((2, 3))), "table"),
    title=TITLE,
)
entry("reports.curves.best", {"history": {"loss": [1.0]}}, history=HISTORY, name=K.TEXT._replace(good=()))
entry("reports.curves.draw", {"history": {"loss": [1.0]}}, history=HISTORY, title=TITLE)
entry(
    "reports.features.draw_filters",
    {"filters": np.ones((3, 3, 1, 2))},
    filters=Kind(
        (),
        (
            *K.no_arrays(),
            bad(None, "None"),
            bad(3, "shape"),
            bad(np.ones(3), "shape"),
            bad(np.ones((3, 3, 1, 0)), ""),
            bad(np.full((3, 3, 1, 2), NAN), "finite"),
        ),
    ),
    channel=Kind((), (-1, 1, 1.5, NAN, "0", None, True, [], ODD), "0"),
    columns=CLASS,
    title=TITLE,
)
entry(
    "reports.features.draw_maps",
    {"maps": IMAGES[0]},
    maps=Kind(
        (),
        (*K.no_arrays(), bad(None, "None"), bad(3, "shape"), bad(IMAGES, "shape"), bad(K.spoiled(IMAGES[0]), "finite")),
    ),
    image=Kind((), (*K.no_arrays(), bad(3, "shape"), bad(IMAGES, "shape"))),
    columns=CLASS,
    title=TITLE,
)
entry("reports.features.kernel_of", filters=Kind((), (*K.no_arrays(), bad(None, "None"), bad(3, "shape"))))
entry("reports.labels.count", {"y": LABELS}, y=CLASSES, classes=FEW)
entry(
    "reports.labels.draw",
    {"counts": [3, 4]},
    counts=Kind(
        (),
        (
            *K.no_arrays(),
            bad(None, "None"),
            bad(3, "shape"),
            bad(np.ones((2, 2)), "shape"),
            bad([NAN], "finite"),
            bad([], "at least one"),
        ),
    ),
    title=TITLE,
)
entry("reports.machine.version", name=K.TEXT._replace(good=()))
entry("reports.per_class.table", Y2, y=CLASSES.but(LENGTHS), prediction=CLASSES.but(LENGTHS), classes=FEW)
entry("reports.picture_format", path=K.PATH.but(bad("x.gif", "x.gif"), bad("x", "x")))
PICTURE = Kind(
    (),
    (
        *K.no_arrays(),
        bad(None, "None"),
        bad(3, "shape"),
        bad(IMAGES[0], "shape"),
        bad(np.ones((2, 3)), "shape"),
        bad(IMAGES[:0], "at least one"),
        bad(K.spoiled(IMAGES), "finite"),
    ),
)
PICTURE = PICTURE._replace(
    bad=tuple(b for b in PICTURE.bad if not (isinstance(b.value, np.ndarray) and b.value.shape == (6, 6, 1)))
)
TITLES = Kind((), (3, None, NAN, ODD), "titles")
entry("reports.samples.one_of_each", y=CLASSES)
entry("reports.samples.draw", {"x": IMAGES}, x=PICTURE, titles=TITLES, columns=CLASS, title=TITLE)
entry("reports.samples.draw_augmented", {"before": IMAGES}, before=PICTURE, after=Kind(), titles=TITLES, title=TITLE)
entry(
    "reports.save",
    {"figure": "figure", "path": "x.png"},
    "uses figure",
    figure=Kind((), (3, "x", None, ODD), "figure"),
    path=K.PATH.but(bad("x.gif", "x.gif")),
)
DRAWN = {
    "model": MODEL,
    "show_shapes": K.FLAG,
    "show_dtype": K.FLAG,
    "show_layer_names": K.FLAG,
    "rankdir": K.one_of("TB", "LR"),
    "expand_nested": K.FLAG,
    "dpi": K.POSITIVE,
    "show_layer_activations": K.FLAG,
    "show_trainable": K.FLAG,
}
entry("reports.network.draw", {"model": "model"}, "uses model", **DRAWN)
entry(
    "reports.network.plot_model",
    {"model": "model"},
    "uses model",
    to_file=K.optional(K.PATH.but(K.Bad("x.gif", ("x.gif",), True))),
    **DRAWN,
)
entry(
    "reports.worst.find",
    {"y": LABELS, "probabilities": P},
    y=CLASSES.but(LENGTHS, bad([7] * 8, "7")),
    probabilities=Kind(
        (),
        (
            *K.no_arrays(),
            bad(None, "None"),
            bad(3, "shape"),
            bad(LABELS, "shape"),
            bad(P[:3], "3"),
            bad(K.spoiled(P), "finite"),
        ),
    ),
    count=K.FROM_0._replace(good=()),
)
entry(
    "reports.worst.draw",
    {"x": IMAGES, "errors": []},
    x=PICTURE,
    errors=Kind((), (3, "x", None, bad([3], "3"), ODD), "errors"),
    title=TITLE,
)

# models ---------------------------------------------------------------------------------------------------------------

ONE_DEVICE = K.one_of("cpu", "auto", "cuda", words="one of")
DEVICE = {
    "device": ONE_DEVICE._replace(good=("cpu", np.str_("cpu"))),
    "kernels": K.one_of("numpy_ref", "auto", "numba_cpu"),
    "threads": K.optional(K.POSITIVE),
    "precision": K.optional(K.one_of("float32", "tf32", "3xtf32", "bf16").but("tf32", words="")),
}
entry(
    "Sequential",
    layers=Kind(
        (),
        (
            3,
            NAN,
            ODD,
            True,
            bad([3], "a layer", "3"),
            bad(["x"], "a layer", "'x'"),
            bad([None], "a layer", "None"),
            bad([layers.Dense], "a layer", "Dense(...)"),
            layers.Dense(3, name="lonely"),
            "ab",
            {"a": 3},
        ),
        "a layer",
    ),
    name=K.NAME,
    seed=K.SEED,
    **DEVICE,
    graph=K.FLAG,
    nan_check=K.one_of("epoch", "step"),
)
entry(
    "load_model",
    {"path": "/nowhere/x.minicnn"},
    path=K.PATH.but(bad("x", "x"), K.place("/nowhere/x.minicnn")),
    custom_objects=Kind((), (3, "x", [], ODD, bad({3: 3}, "3")), "a dict"),
    compile=K.FLAG._replace(good=()),
    **{name: kind._replace(good=()) for name, kind in DEVICE.items()},
)
entry(
    "clone_model",
    {"model": minicnn.Sequential([layers.Input((3,)), layers.Dense(2)], seed=1)},
    model=Kind((), (3, None, "x", ODD, [], layers.Dense(2)), "a model"),
    input_tensors=Kind((), (3, "x", ODD, np.ones((2, 3))), "symbols"),
    clone_function=Kind((), (3, "x", ODD), "clone_function"),
    recursive=K.FLAG._replace(good=()),
)
entry(
    "model_from_json",
    {"text": '{"format": 1, "config": {"name": "a", "input_shape": [3], "layers": []}}'},
    text=Kind((), (3, None, ODD, [], b"{}", bad("x", "JSON"), bad("{}", "format"), bad("[]", "")), "JSON"),
    custom_objects=Kind((), (3, "x", [], ODD), "a dict"),
    seed=K.SEED,
    device=DEVICE["device"],
    kernels=DEVICE["kernels"],
    threads=DEVICE["threads"],
)
OPTIONAL_METRICS = Kind((), tuple(b for b in METRICS.bad if not isinstance(b, (list, dict))), "").but(
    bad({"a": 3}, "'a'"), bad([3], "received 3"), bad(["acuracy"], "one of"), bad([None], "received None")
)
entry(
    "Sequential.compile",
    {"optimizer": "sgd", "loss": SPARSE},
    "model",
    optimizer=OPTIMIZERS.but(None),
    loss=LOSSES,
    metrics=OPTIONAL_METRICS,
    weighted_metrics=OPTIONAL_METRICS,
    loss_weights=Kind((None, [1.0], 1), (
        bad("x", "a list of 1"), NAN, bad([], "a list of 1"), bad([1, 2], "a list of 1"), bad(["x"], "a finite number"),
        bad({"a": 1}, "names of")), "loss_weights"),
    unknown=Kind((), (bad(3, "compile"),)),
)


class Ends:
    """A sequence whose length promises more than its iterator gives."""

    def __init__(self, items, length):
        self.items, self.length = items, length

    def __len__(self):
        return self.length

    def __iter__(self):
        return iter(self.items)


class Shaped:
    """Pretends to be an array."""

    shape, ndim, dtype = (8, 6, 6, 1), 4, np.dtype("float32")

    def __repr__(self):
        return "<shaped>"


IMAGE_ROWS = (
    *K.no_arrays(),
    bad(IMAGES[:0], "at least one sample", "none"),
    bad(IMAGES[0], "(6, 6, 1)"),
    bad(IMAGES[:, :5], "(8, 5, 6, 1)"),
    bad(K.spoiled(IMAGES), "nan", "row 3"),
    bad(K.spoiled(IMAGES, INF), "inf", "row 3"),
    bad(np.float32(1), ""),
    bad(3, ""),
    bad(True, ""),
    bad(NAN, ""),
    bad(None, "None"),
    bad(Shaped(), ""),
    bad([], "none"),
    bad([[1.0, 2.0], [3.0]], "numbers", "unlike shapes"),
)
IMAGE_ROWS = tuple(row for row in IMAGE_ROWS if row.value is not K.RAGGED)
TARGET_ROWS = (
    *K.no_arrays(),
    bad(LABELS[:3], "8", "3"),
    bad(LABELS.reshape(2, 4), "2"),
    bad(3, ""),
    bad(NAN, ""),
    bad([], "0"),
    bad(K.spoiled(LABELS), "nan", "row 3"),
    bad(K.spoiled(LABELS, 3), "3.0", "row 3"),
    bad(ONE_HOT, "one-hot"),
    bad(np.ones((8, 2)), "(8, 2)"),
    bad(True, ""),
    bad(Shaped(), ""),
)
WEIGHT = Kind(
    (),
    (
        *K.no_arrays(),
        bad(np.ones(3), "3"),
        bad(np.ones((8, 2)), "(8, 2)"),
        bad(3, ""),
        bad(K.spoiled(np.ones(8)), "finite"),
        bad(K.spoiled(np.ones(8), -INF), "finite"),
    ),
)
CLASS_WEIGHT = Kind(
    (),
    (
        3,
        "balanced",
        [1, 2, 3],
        NAN,
        ODD,
        np.ones(3),
        bad({"0": 1.0}, "'0'"),
        bad({10: 1.0}, "10"),
        bad({-1: 1.0}, "-1"),
        bad({0.5: 1.0}, "0.5"),
        bad({None: 1.0}, "None"),
        bad({0: NAN}, "nan"),
        bad({0: None}, "None"),
        bad({0: "1"}, "'1'"),
        bad({0: INF}, "inf"),
        bad({0: -1.0}, "-1"),
        bad({True: 1.0}, "True"),
        bad({0: [1]}, "[1]"),
        bad({NAN: 1}, "nan"),
    ),
    "a dict",
)
FIT = {"x": IMAGES, "y": LABELS, "verbose": 0}
COUNT = K.optional(K.POSITIVE)._replace(good=())
RUN_VERBOSE = VERBOSE._replace(good=())
VALIDATION = Kind(
    (),
    (
        3,
        "abc",
        NAN,
        True,
        ODD,
        IMAGES,
        bad((IMAGES,), ""),
        bad((), ""),
        bad((IMAGES, LABELS, None, 3), ""),
        bad({}, ""),
        bad((IMAGES, LABELS[:3]), "3"),
        bad((IMAGES[:, :5], LABELS), "(8, 5, 6, 1)"),
        bad((K.spoiled(IMAGES), LABELS), "nan"),
        bad((IMAGES, K.spoiled(LABELS)), "nan"),
        bad((IMAGES, None), "None"),
        bad((None, LABELS), "None"),
        bad((3, 4), ""),
        bad((IMAGES, LABELS, np.ones(3)), "3"),
        bad((IMAGES, LABELS, K.spoiled(np.ones(8))), "finite"),
        bad(["a", "b"], ""),
        bad([(IMAGES,)] * 3, ""),
        bad([3, 4, 5], ""),
        bad([(IMAGES, ONE_HOT)], "one-hot"),
        bad(iter([]), "without any"),
        bad(b"abc", ""),
        bad({1, 2}, ""),
        bad([(IMAGES[:, :5], LABELS)] * 3, "unlike shapes"),
        bad([None] * 4, ""),
        bad((IMAGES, ONE_HOT), "one-hot"),
    ),
    "(x, y) or batches",
)
entry(
    "Sequential.fit",
    FIT,
    "model",
    checkpoint=K.optional(Kind((), (3, NAN, ODD, [], True), "a folder or CheckpointOptions")),
    x=Kind((), IMAGE_ROWS),
    y=Kind((), (*TARGET_ROWS, bad(None, "None"))),
    batch_size=COUNT,
    epochs=K.POSITIVE._replace(good=()),
    verbose=RUN_VERBOSE,
    callbacks=CALLBACKS,
    validation_split=K.real(0.5, -0.1, 1, words="a fraction")._replace(good=()),
    validation_data=VALIDATION,
    shuffle=K.FLAG._replace(good=()),
    class_weight=CLASS_WEIGHT,
    sample_weight=WEIGHT,
    initial_epoch=K.FROM_0._replace(good=()),
    steps_per_epoch=COUNT,
    validation_steps=COUNT,
    validation_batch_size=COUNT,
    validation_freq=Kind((), K.POSITIVE.bad, "a whole number"),
)
entry(
    "Sequential.evaluate",
    FIT,
    "model",
    x=Kind((), IMAGE_ROWS),
    y=Kind((), (*TARGET_ROWS, bad(None, "None"))),
    batch_size=COUNT,
    verbose=RUN_VERBOSE,
    sample_weight=WEIGHT,
    steps=COUNT,
    callbacks=CALLBACKS,
    return_dict=K.FLAG._replace(good=()),
)
entry(
    "Sequential.predict",
    {"x": IMAGES, "verbose": 0},
    "model",
    x=Kind(
        (),
        (
            *IMAGE_ROWS,
            bad(iter([]), "none"),
            bad(iter([3]), ""),
            bad(iter(["ab"]), ""),
            bad(iter([(IMAGES, LABELS), (IMAGES[:, :5], LABELS)]), "(8, 5, 6, 1)"),
            bad(iter([None]), ""),
            bad(iter([()]), ""),
        ),
    ),
    tta=Kind((), (3, "x", True, [], ODD), "shifts"),
    batch_size=COUNT,
    verbose=RUN_VERBOSE,
    steps=COUNT,
    callbacks=CALLBACKS,
)
BATCH = {"x": IMAGES, "y": LABELS}
entry(
    "Sequential.train_on_batch",
    BATCH,
    "model",
    x=Kind((), IMAGE_ROWS),
    y=Kind((), (*TARGET_ROWS, bad(None, "None"))),
    sample_weight=WEIGHT,
    class_weight=CLASS_WEIGHT,
    return_dict=K.FLAG._replace(good=()),
)
entry(
    "Sequential.test_on_batch",
    BATCH,
    "model",
    x=Kind((), IMAGE_ROWS),
    y=Kind((), (*TARGET_ROWS, bad(None, "None"))),
    sample_weight=WEIGHT,
    return_dict=K.FLAG._replace(good=()),
)
ONLY_X = {"x": Kind((), IMAGE_ROWS)}
entry("Sequential.predict_on_batch Sequential.activations", {"x": IMAGES}, "model", **ONLY_X)
entry(
    "Sequential.predict_classes Sequential.predict_proba",
    {"x": IMAGES},
    "model",
    **ONLY_X,
    batch_size=COUNT,
    verbose=RUN_VERBOSE,
)
OTHER_SIZES = tuple(row for row in IMAGE_ROWS if getattr(row.value, "shape", ())[1:2] != (5,))  # a call follows them
OTHER_SIZES = Kind((), (*OTHER_SIZES, K.Bad(IMAGES[:, :5], ("32 entries", "24"), True)))
entry("Sequential.__call__", {"x": IMAGES}, "model", x=OTHER_SIZES, training=K.optional(K.FLAG)._replace(good=()))
NOT_BATCHES = (3, "abc", [], [3], [(IMAGES,)], None, iter([]), [IMAGES])
BATCHES = Kind(  # the messages are those of fit and evaluate, whose old names these are
    (), (*(K.Bad(one, (": expected",), True) for one in NOT_BATCHES), K.Bad([(IMAGES, ONE_HOT)], ("one-hot",), True))
)
entry(
    "Sequential.fit_generator",
    {"generator": [(IMAGES, LABELS)], "verbose": 0},
    "model",
    generator=BATCHES,
    steps_per_epoch=COUNT,
    epochs=K.POSITIVE._replace(good=()),
    verbose=RUN_VERBOSE,
    callbacks=CALLBACKS,
    kwargs=Kind((), (bad(3, "arguments of"),)),
)
entry(
    "Sequential.evaluate_generator",
    {"generator": [(IMAGES, LABELS)]},
    "model",
    generator=BATCHES,
    steps=COUNT,
    kwargs=Kind((), (bad(3, "arguments of"),)),
)
entry(
    "Sequential.predict_generator",
    {"generator": IMAGES},
    "model",
    generator=Kind((), (K.Bad(3, ("x: expected",), True), K.Bad("abc", ("x: expected",), True))),
    steps=COUNT,
    kwargs=Kind((), (bad(3, "arguments of"),)),
)
entry("Sequential.reset_states", None, "model")
entry(
    "Sequential.save",
    {"path": "x.minicnn"},
    "model",
    path=K.PATH.but(bad("x", "x")),
    overwrite=K.FLAG._replace(good=()),
)
MODULES = Kind((), (3, "a", NAN, True, ODD, np.ones(2), [], ["a"], {"x": "y"}, {3: "a"}, {"conv": 3}, {"conv": ""}), "")
MODULES = MODULES._replace(bad=tuple(bad(one) for one in MODULES.bad))
entry("Sequential.to_torch_state_dict", {}, "model", names=MODULES)
entry(
    "Sequential.from_torch_state_dict",
    {"state_dict": {}},
    "model",
    state_dict=Kind((), (3, None, "x", NAN, [], ODD, np.ones(2), bad({}, "missing"), bad({"a": "x"}, "a: expected")),
                    "a state_dict"),
    names=MODULES,
)  # fmt: skip
OPSET = Kind((), (16, 24, *K.NO_WHOLE), "a whole number from 17")
entry(
    "Sequential.export",
    {"filepath": "x.onnx"},
    "model",
    filepath=K.PATH.but(bad("x", "ends in .onnx")),
    format=Kind((), ("keras", "ONNX", "", 3, [], ODD), '"onnx"'),
    opset=OPSET,
)
entry(
    "io.onnx.export",
    {"model": made_model(), "filepath": "x.onnx"},
    model=Kind((), (3, None, "x", ODD), "a model"),
    filepath=K.PATH.but(bad("x", "ends in .onnx")),
    opset=OPSET,
)
entry("Sequential.check_savable", None, "model", path=K.PATH)
entry(
    "Sequential.save_weights",
    {"path": "x.safetensors"},
    "model",
    path=K.PATH.but(bad("x", "x")),
    overwrite=K.FLAG._replace(good=()),
)
entry(
    "Sequential.load_weights",
    {"path": "x.safetensors"},
    "model",
    path=K.PATH.but(bad("x", "x"), K.place("/no.safetensors")),
)
entry(
    "Sequential.from_config",
    {"config": {"name": "a", "input_shape": [3], "layers": []}},
    "model class",
    config=Kind((), (3, None, "x", [], ODD), "description"),
    custom_objects=Kind((), (3, "x", [], ODD), "a dict"),
    options=Kind((), (bad(3, "arguments of"),)),
)
PAIR = [Sequential([layers.Input((3,)), layers.Dense(2)], name=n, kernels="numpy_ref") for n in ("a", "b")]
MODELS = Kind((), (3, None, "x", [], [3], [None, None], ODD), "at least two models")
entry("ensemble", {"models": PAIR}, models=MODELS, name=K.NAME)
SYMBOLS = Kind((), (3, None, "x", ODD, [], {}, np.ones(2), layers.Dense(3)), "symbols")
X = layers.Input((3,))
entry(
    "Model",
    {"inputs": X, "outputs": X},
    inputs=SYMBOLS,
    outputs=SYMBOLS,
    name=K.NAME,
    trainable=K.FLAG,
    device=K.optional(TABLE["Sequential"].arguments["device"]),
    **{key: TABLE["Sequential"].arguments[key] for key in (
        "seed", "kernels", "threads", "precision", "graph", "nan_check")},
)  # fmt: skip
entry("Sequential.to_json", None, "model", kwargs=Kind((), (bad(3, "arguments of"),)))
entry("Sequential.metric_direction", None, "model", name=Kind())
entry(
    "Sequential.add",
    None,
    "model",
    layer=Kind(
        (),
        (
            3,
            None,
            "x",
            ODD,
            [],
            layers.Dense,
            bad(layers.Input((3,)), "Input"),
            bad(layers.Dense(3, name="conv"), "conv"),
        ),
        "a layer",
    ),
)
entry(
    "Sequential.build",
    None,
    "unbuilt",
    input_shape=Kind(
        (),
        (
            3,
            "abc",
            NAN,
            True,
            {},
            ODD,
            (),
            (None,),
            (None, 0, 6, 1),
            (None, 1.5, 6, 1),
            (None, "6", 6, 1),
            np.ones(4),
        ),
        "input_shape",
    )._replace(words=""),
)
entry(
    "Sequential.set_weights",
    None,
    "model",
    values=Kind(
        (),
        (
            bad([1], "8 weight arrays"),
            bad(3, "weight arrays"),
            bad(None, "weight arrays"),
            bad({}, "weight arrays"),
            bad("a" * 8, "weight arrays"),
            bad([[1, [2]]] * 8, "kernel"),
        ),
    ),
)
entry(
    "Sequential.compute_output_shape",
    None,
    "model",
    input_shape=Kind(((None, 6, 6, 1), [8, 6, 6, 1]), (3, None, "661", (), ODD, (None, 1.5, 6, 1), (0, 6, 6, 1)), ""),
)
entry(
    "Sequential.get_layer",
    None,
    "model",
    name=Kind((), (bad("cnv", "conv"), bad(3, "conv"), bad(None, "conv"), bad([], "conv"), bad(NAN, "conv"))),
    index=Kind((), (4, -5, 1.5, NAN, "0", [], ODD, True), "from -4 to 3"),
)
ONE_IMAGE = tuple(row for row in IMAGE_ROWS if getattr(row.value, "shape", ()) != IMAGES.shape[1:])  # is welcome
entry(
    "Sequential.trace",
    {"x": IMAGES, "y": ONE_HOT},
    "model",
    x=Kind((), ONE_IMAGE),
    y=Kind((), (*TARGET_ROWS, K.Bad(3, ("trace: y", "from 0 to 2"), True))),
    layer=Kind((), tuple(K.Bad(one, ("get_layer", "received"), True) for one in ("cnv", 9, NAN, [], ODD))),
    training=K.FLAG._replace(good=()),
)
entry("Sequential.looked_at", {"where": "x", "x": IMAGES, "y": ONE_HOT}, "model", where=Kind(), x=Kind(), y=Kind())
entry(
    "teaching.gradcheck",
    {"model": "model", "x": IMAGES, "y": ONE_HOT},
    "uses model",
    model=Kind((), (3, None, "model", [], ODD), "a model"),
    x=Kind((), tuple(row for row in ONE_IMAGE if getattr(row, "value", 0) is not None)),
    y=Kind((), TARGET_ROWS),
    seed=K.SEED._replace(good=()),
)
entry("play.widget", {"model": "model"}, "uses model",
      model=Kind((), (3, None, "model", [], ODD), "a model"), name=Kind((), (3, None, [], ODD), "a name"))  # fmt: skip
A_MODEL = Kind((None,), (3, "m", [], ODD), "a model")
entry("teaching.Statistics", {"x": IMAGES, "y": ONE_HOT}, x=Kind(), y=Kind(), twin=A_MODEL)
entry("Sequential.plan", None, "model", batch_size=K.POSITIVE._replace(good=()))
entry(
    "Sequential.summary",
    None,
    "model",
    line_length=K.optional(K.POSITIVE)._replace(good=()),
    print_fn=HOOK._replace(good=()),
    show_trainable=K.FLAG._replace(good=()),
)
entry("World", {"size": 2}, rank=K.count(1, -1, low=0), size=K.count(2, 0), sum=K.FUNCTION, broadcast=K.FUNCTION,
      abort=K.FUNCTION, on_device=K.optional(K.FUNCTION))  # fmt: skip
entry("doctor", device=ONE_DEVICE._replace(good=()), print_fn=HOOK._replace(good=()))
SUM = {"f": lambda x: (x * x).sum(), "args": [np.ones(3)]}
entry(
    "check_grad",
    SUM,
    f=K.FUNCTION.but(bad(lambda x: 3, "Tensor")),
    args=Kind(
        (),
        (
            3,
            None,
            "ab",
            ODD,
            bad([], "args"),
            bad(["a"], "args", "numbers"),
            bad([K.RAGGED], "args"),
            bad([None], "args"),
            bad([[NAN]], "args"),
        ),
        "args",
    ),
    backend=Kind((), (3, "cpu", ODD), "a Backend"),
    rng=Kind((), (3, "x", ODD, np.random), "Generator"),
    rtol=K.ABOVE_0._replace(good=()),
    step=K.ABOVE_0._replace(good=()),
    directions=K.POSITIVE._replace(good=()),
)
entry("op", function=K.FUNCTION)
TENSOR_DATA = Kind((), (*K.no_arrays(), bad(None, "None")))
entry(
    "Tensor",
    {"data": [1.0]},
    data=TENSOR_DATA,
    be=Kind((), (3, "cpu", ODD), "a Backend"),
    requires_grad=K.FLAG._replace(good=()),
)
entry(
    "Parameter",
    {"data": [1.0], "be": CPU("numpy_ref"), "path": "a/b"},
    data=TENSOR_DATA,
    be=Kind((), (3, "cpu", None, ODD), "a Backend"),
    path=K.TEXT._replace(good=()),
    trainable=K.FLAG._replace(good=()),
)
for _way in ("assign", "assign_add", "assign_sub"):
    entry(
        f"Parameter.{_way}",
        {"value": np.ones(2)},
        "parameter",
        value=Kind((), (*K.no_arrays(), bad(None, "None"), bad(np.ones(3), "(3,)"))),
    )
entry("Tensor.backward", None, "tensor", dy=Kind((), (*K.no_arrays(), bad(np.ones(3), "(3,)"))))
entry(
    "Tensor.sum Tensor.mean",
    None,
    "tensor",
    axis=Kind((), (5, -5, 1.5, NAN, "a", [None], ODD, (0, 5)), "axis"),
    keepdims=K.FLAG._replace(good=()),
)
entry(
    "Tensor.reshape",
    None,
    "tensor",
    shape=Kind((), ((3, 5), ("a",), (1.5,), (None,), (NAN,), (-2,), (-1, -1)), "shape"),
)

# recipes --------------------------------------------------------------------------------------------------------------

LIB = Kind((), (3, None, "minicnn", ODD), "minicnn or keras")
entry("recipes.Recipe.build", {"lib": minicnn}, "recipe", lib=LIB, options=Kind((), (bad(3, "arguments of"),)))
entry("recipes.Recipe.make_optimizer", {"lib": minicnn}, "recipe", lib=LIB)
entry("records.Record.build", {"lib": minicnn, "seed": 1}, "record", lib=LIB, options=Kind((), (bad(3, "arguments"),)),
      seed=K.count(1, -1, low=0))  # fmt: skip
BARE = minicnn.Sequential()
entry("records.Record.compile", {"lib": minicnn, "model": BARE, "steps": 3}, "record", lib=LIB, steps=K.POSITIVE,
      model=Kind((), (3, None, "x", [], NAN, np.ones(2), ODD), "a model"))  # fmt: skip
entry("recipes.Recipe.steps_per_epoch", {"rows": 3}, "recipe", rows=K.POSITIVE._replace(good=()))

_ = (losses, metrics, optimizers)


# schedules, checkpoints, pictures in files ----------------------------------------------------------------------------

STEPS = K.ABOVE_0
RATE0 = K.AT_LEAST_0
S = "optimizers.schedules."
entry(
    f"{S}ExponentialDecay {S}InverseTimeDecay",
    initial_learning_rate=RATE0,
    decay_steps=STEPS,
    decay_rate=RATE0,
    staircase=K.FLAG,
    name=K.TEXT,
)
entry(
    f"{S}PolynomialDecay",
    initial_learning_rate=RATE0,
    decay_steps=STEPS,
    end_learning_rate=RATE0,
    power=K.FINITE,
    cycle=K.FLAG,
    name=K.TEXT,
)
entry(
    f"{S}CosineDecay",
    initial_learning_rate=RATE0,
    decay_steps=STEPS,
    alpha=K.FINITE,
    name=K.TEXT,
    warmup_target=K.optional(RATE0),
    warmup_steps=RATE0,
)
entry(
    f"{S}CosineDecayRestarts",
    initial_learning_rate=RATE0,
    first_decay_steps=STEPS,
    t_mul=K.real(2, 0.5, words="of at least 1"),
    m_mul=RATE0,
    alpha=K.FINITE,
    name=K.TEXT,
)
entry(
    f"{S}OneCycle",
    max_lr=RATE0,
    total_steps=STEPS,
    pct_start=K.RATE,
    anneal_strategy=K.one_of("linear", "cos"),
    div_factor=K.ABOVE_0,
    final_div_factor=K.ABOVE_0,
    name=K.TEXT,
)
NUMBERS = Kind(
    (), (3, None, "ab", NAN, ODD, {}, bad([NAN, 1], "nan"), bad(["a", 1], "'a'"), bad([None, 1], "None")), ""
)
entry(
    f"{S}PiecewiseConstantDecay",
    {"boundaries": [1, 2], "values": [0.3, 0.2, 0.1]},
    name=K.TEXT,
    boundaries=NUMBERS.but(bad([2, 1], "[2.0, 1.0]"), bad([1], "")),
    values=NUMBERS.but(bad([1], ""), bad([1, 2, -1], "-1")),
)
BY = Kind((), (3, NAN, ODD, True, [], np.ones(2)), "")
PICTURE_KINDS = {
    "target_size": Kind((), (3, "ab", NAN, (1,), (0, 2), (1.5, 2), None, ODD), "target_size")._replace(words=""),
    "color_mode": K.one_of("rgb", "rgba", "grayscale")._replace(good=()),
    "classes": K.optional(Kind((), (3, ODD, [3]), "")),
    "class_mode": Kind((), ("x", 3, NAN, [], ODD), ""),
    "batch_size": K.POSITIVE._replace(good=()),
    "shuffle": K.FLAG._replace(good=()),
    "seed": K.SEED._replace(good=()),
    "save_to_dir": K.optional(K.PATH),
    "save_prefix": Kind((), (3, None, NAN, ODD, "a/b"), ""),
    "save_format": K.one_of("png", "jpg", "jpeg")._replace(good=()),
    "subset": Kind((), ("x", 3, NAN, [], ODD), ""),
    "interpolation": K.one_of("nearest", "bilinear")._replace(good=()),
    "keep_aspect_ratio": K.FLAG._replace(good=()),
}
entry(
    "data.ImageDataGenerator.flow_from_directory",
    {"directory": "/nowhere"},
    "generator",
    **PICTURE_KINDS,
    directory=FOLDER,
    follow_links=K.FLAG._replace(good=()),
)
entry(
    "data.ImageDataGenerator.flow_from_dataframe",
    {"dataframe": pandas.DataFrame({"filename": ["a.png"], "class": ["a"]})},
    "generator",
    **PICTURE_KINDS,
    dataframe=Kind((), (3, None, "x", [], ODD), "DataFrame"),
    directory=K.optional(K.PATH),
    x_col=BY,
    y_col=BY,
    weight_col=BY,
    validate_filenames=K.FLAG._replace(good=()),
)
IMAGE_FORMAT = Kind((), ("x", 3, NAN, [], ODD, np.ones(2)), "one of")  # pictures are turned round, not layers
IMAGE_DTYPE = Kind((), ("x", "U3", "M8[s]", 3, ODD, np.ones(2), object), "a dtype of numbers")  # any, as in Keras
entry(
    "data.array_to_img",
    {"x": IMAGES[0]},
    x=Kind(
        (),
        (*K.no_arrays(), bad(None, "None"), bad(3, "shape"), bad(IMAGES, "shape"), bad(K.spoiled(IMAGES[0]), "finite")),
    ),
    data_format=IMAGE_FORMAT,
    scale=K.FLAG._replace(good=()),
    dtype=IMAGE_DTYPE,
)
entry(
    "data.img_to_array",
    {"img": IMAGES[0]},
    img=Kind((), (*K.no_arrays(), bad(None, "None"), bad(3, "shape"))),
    data_format=IMAGE_FORMAT,
    dtype=IMAGE_DTYPE,
)
entry(
    "data.load_img",
    {"path": "/nowhere.png"},
    path=K.PATH._replace(
        bad=tuple(b for b in K.PATH.bad if not isinstance(b, bytes))
    ),  # bytes name a file, as in Keras
    color_mode=PICTURE_KINDS["color_mode"],
    target_size=K.optional(PICTURE_KINDS["target_size"]),
    interpolation=PICTURE_KINDS["interpolation"],
    keep_aspect_ratio=K.FLAG._replace(good=()),
    grayscale=K.optional(K.FLAG),
)
entry(
    "data.save_img",
    {"path": "x.png", "x": IMAGES[0]},
    path=K.PATH,
    x=Kind((), (*K.no_arrays(), bad(None, "None"))),
    data_format=IMAGE_FORMAT,
    file_format=Kind((), (bad("gif2", "file_format", "'GIF2'"), 3, ODD), "file_format"),
    scale=K.FLAG._replace(good=()),
    kwargs=Kind(),
)
FREQ = Kind((), (0, -1, 1.5, NAN, "epochs", "", None, True, [], ODD, np.ones(2)), '"epoch" or a positive number')
entry(
    "callbacks.BackupAndRestore",
    {"backup_dir": "x"},
    backup_dir=K.PATH,
    save_freq=FREQ,
    double_checkpoint=K.FLAG,
    delete_checkpoint=K.FLAG,
)
entry(
    "CheckpointOptions",
    {"folder": "x"},
    folder=K.PATH,
    save_every=K.optional(K.AT_LEAST_0),
    save_steps=K.optional(K.POSITIVE),
    keep=K.POSITIVE,
    best=K.NAME,
    resume=K.FLAG,
    stop_when=K.optional(K.FUNCTION),
    delete_at_end=K.FLAG,
)

OUTPUT_PADDING = K.optional(Kind((0, np.int64(0)), ("a", NAN, -1, 1.5, ODD, 5, (1, 1, 1), {}), "the strides"))

# further layers -------------------------------------------------------------------------------------------------------

layer(
    "layers.Conv2DTranspose",
    filters=K.POSITIVE,
    kernel_size=K.SIZE,
    strides=K.SIZE,
    padding=PADDING,
    output_padding=OUTPUT_PADDING,
    data_format=ORDER,
    dilation_rate=K.SIZE,
    activation=ACTIVATION,
    use_bias=K.FLAG,
    kernel_initializer=INITIALIZER,
    bias_initializer=INITIALIZER,
)
layer(
    "layers.DepthwiseConv2D",
    kernel_size=K.SIZE,
    strides=K.SIZE,
    padding=PADDING,
    depth_multiplier=K.POSITIVE,
    data_format=ORDER,
    dilation_rate=K.SIZE,
    activation=ACTIVATION,
    use_bias=K.FLAG,
    depthwise_initializer=INITIALIZER,
    bias_initializer=INITIALIZER,
)
layer(
    "layers.SeparableConv2D",
    filters=K.POSITIVE,
    kernel_size=K.SIZE,
    strides=K.SIZE,
    padding=PADDING,
    data_format=ORDER,
    dilation_rate=K.SIZE,
    depth_multiplier=K.POSITIVE,
    activation=ACTIVATION,
    use_bias=K.FLAG,
    depthwise_initializer=INITIALIZER,
    pointwise_initializer=INITIALIZER,
    bias_initializer=INITIALIZER,
)
layer(
    "layers.Cropping2D",
    cropping=Kind((), (-1, 1.5, NAN, "2", "ab", True, None, {}, ODD, (), (1,), (1, -1)), ""),
    data_format=ORDER,
)
layer("layers.GaussianNoise", stddev=K.RATE, seed=K.SEED)  # to 1, as in Keras
layer(
    "layers.Lambda",
    function=K.FUNCTION._replace(good=(abs,)),
    output_shape=Kind(),
    mask=Kind((None,), (3, "x", ODD), "minicnn has no masks"),
    arguments=Kind((), (3, "x", [1], ODD), ""),
)
layer(
    "layers.LayerNormalization",
    axis=Kind((), ("a", NAN, 1.5, None, ODD), "axis"),
    epsilon=K.ABOVE_0,
    center=K.FLAG,
    scale=K.FLAG,
    beta_initializer=INITIALIZER,
    gamma_initializer=INITIALIZER,
)
FIGURES = Kind((0.5, np.float64(0.5)), ("a", bad(NAN, "finite"), ODD), "numbers")
entry(
    "layers.Normalization",
    {"mean": 0.5, "variance": 2.0},
    axis=Kind((-1, np.int64(-1)), ("a", NAN, 1.5, 0, (1, 0), True, ODD), "axes other than the batch's"),
    mean=FIGURES,
    variance=FIGURES,
    invert=K.FLAG,
    kwargs=LAYER["unknown"],
)
entry("layers.Normalization.adapt", {"data": IMAGES}, "normalization",
      data=Kind((IMAGES,), (None, 3, {}, ODD, bad("x", "a batch"), bad([3], "a batch")), "an array, or batches"))
layer(
    "layers.GroupNormalization",
    groups=Kind((2, np.int64(2)), (0, -2, *K.NO_WHOLE), "a whole number of at least"),
    axis=Kind((-1, np.int64(-1), np.array(-1)), (0, *K.NO_WHOLE), "axis"),
    epsilon=K.ABOVE_0,
    center=K.FLAG,
    scale=K.FLAG,
    beta_initializer=INITIALIZER,
    gamma_initializer=INITIALIZER,
)
UNIT_AXIS = Kind((-1, np.int64(-1)), ("a", NAN, 1.5, None, True, [], ODD), "an axis or axes")
layer("layers.UnitNormalization", axis=UNIT_AXIS)
layer("layers.RMSNormalization", axis=Kind((), ("a", NAN, 1.5, None, ODD), "axis"), epsilon=K.ABOVE_0)
entry("layers.Identity", **LAYER)
layer("layers.ActivityRegularization", l1=K.optional(K.AT_LEAST_0), l2=K.optional(K.AT_LEAST_0))
layer(
    "layers.Permute",
    dims=Kind(((1, 2), [1, 2], np.array([1, 2])), (3, "ab", NAN, None, (0, 1), (1, 1), (1.5, 2), ODD), "dims")._replace(
        words=""
    ),
)
for _name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"):
    entry(f"layers.{_name}", **LAYER)
layer("layers.Concatenate", axis=Kind((-1, np.int64(-1)), (0, *K.NO_WHOLE), "axis"))
layer("layers.Dot", axes=Kind(((1, 1), [1, 1]), (0, (1, 0), (1, 2, 3), (1,), "ab", None, NAN, ODD), "axes")._replace(
    words=""), normalize=K.FLAG)  # fmt: skip
layer("layers.RepeatVector", n=K.POSITIVE)
OF_CHANNELS = Kind((0.5, np.float64(0.5)), ("a", NAN, None, {}, True, ODD, bad([NAN], "nan")), "finite number")
layer("layers.Rescaling", scale=OF_CHANNELS, offset=OF_CHANNELS)
layer("layers.UpSampling2D", size=K.SIZE, data_format=ORDER,
      interpolation=K.one_of("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"))  # fmt: skip

# layers of sequences --------------------------------------------------------------------------------------------------

TWO_SIDES = Kind((1, np.int64(1), (1, 1), [1, 1]), (-1, 1.5, NAN, "2", True, None, {}, ODD, (), (1,), (1, -1)), "")
CAUSAL = PADDING._replace(good=("causal",), words='"valid", "same" or "causal"')
layer(
    "layers.Conv1D",
    filters=K.POSITIVE,
    kernel_size=K.LENGTH,
    strides=K.LENGTH,
    padding=CAUSAL,
    data_format=ORDER,
    dilation_rate=Kind((1, np.int64(1), [1]), K.LENGTH.bad, ""),
    groups=Kind((1, np.int64(1)), (0, "1", NAN, None, [], ODD, np.ones(2)), "1"),
    activation=ACTIVATION,
    use_bias=K.FLAG,
    kernel_initializer=INITIALIZER,
    bias_initializer=INITIALIZER,
)
layer(
    "layers.Conv1DTranspose",
    filters=K.POSITIVE,
    kernel_size=K.LENGTH,
    strides=K.LENGTH,
    padding=PADDING,
    output_padding=OUTPUT_PADDING,
    data_format=ORDER,
    dilation_rate=Kind((1, np.int64(1), [1]), K.LENGTH.bad, ""),
    activation=ACTIVATION,
    use_bias=K.FLAG,
    kernel_initializer=INITIALIZER,
    bias_initializer=INITIALIZER,
)
layer(
    "layers.DepthwiseConv1D",
    kernel_size=K.LENGTH,
    strides=K.LENGTH,
    padding=PADDING,
    depth_multiplier=K.POSITIVE,
    data_format=ORDER,
    dilation_rate=Kind((1, np.int64(1), [1]), K.LENGTH.bad, ""),
    activation=ACTIVATION,
    use_bias=K.FLAG,
    depthwise_initializer=INITIALIZER,
    bias_initializer=INITIALIZER,
)
layer(
    "layers.SeparableConv1D",
    filters=K.POSITIVE,
    kernel_size=K.LENGTH,
    strides=K.LENGTH,
    padding=PADDING,
    data_format=ORDER,
    dilation_rate=Kind((1, np.int64(1), [1]), K.LENGTH.bad, ""),
    depth_multiplier=K.POSITIVE,
    activation=ACTIVATION,
    use_bias=K.FLAG,
    depthwise_initializer=INITIALIZER,
    pointwise_initializer=INITIALIZER,
    bias_initializer=INITIALIZER,
)
layer(
    "layers.MaxPooling1D layers.AveragePooling1D",
    pool_size=K.LENGTH,
    strides=K.optional(K.LENGTH),
    padding=PADDING,
    data_format=ORDER,
)
layer("layers.GlobalMaxPooling1D layers.GlobalAveragePooling1D", data_format=ORDER, keepdims=K.FLAG)
layer("layers.AdaptiveMaxPooling1D layers.AdaptiveAveragePooling1D", output_size=K.LENGTH, data_format=ORDER)
layer("layers.AdaptiveMaxPooling2D layers.AdaptiveAveragePooling2D", output_size=K.SIZE, data_format=ORDER)
layer("layers.UpSampling1D", size=K.POSITIVE)
layer("layers.Cropping1D", cropping=TWO_SIDES)
layer("layers.ZeroPadding1D", padding=TWO_SIDES, data_format=ORDER)
layer("layers.SpatialDropout1D", rate=K.RATE, seed=K.SEED)

# augmentation ---------------------------------------------------------------------------------------------------------

SHARE = (0.2, np.float64(0.2), np.array(0.2), (-0.2, 0.2), [0.2, -0.2])
SHARES = Kind(SHARE, (1.5, bad((0.1, 2), "2"), (0.1,), (1, 2, 3), "a", NAN, None, {}, bad((0.1, "a"), "a"), ODD), "")
LIMITS = Kind(((0, 1), [0, 1], np.array([0, 1])), (3, "a", NAN, None, (1,), bad((0, NAN), "nan"), {}, ODD), "")
FILL = {
    "fill_mode": K.one_of("nearest", "wrap", "reflect", "constant"),
    "interpolation": K.one_of("nearest", "bilinear"),
    "seed": K.SEED,
    "fill_value": K.FINITE,
    "data_format": ORDER,
}
layer(
    "layers.RandomFlip",
    mode=K.one_of("vertical", "horizontal", "horizontal_and_vertical"),
    seed=K.SEED,
    data_format=ORDER,
)
layer("layers.RandomRotation", factor=SHARES, **FILL)
layer("layers.RandomZoom", height_factor=SHARES, width_factor=K.optional(SHARES), **FILL)
layer("layers.RandomTranslation", height_factor=SHARES, width_factor=SHARES, **FILL)
layer(
    "layers.RandomContrast",
    factor=Kind((0.2, np.float64(0.2), (0.2, 0.2)), (-0.1, bad((0.1, 2), "2"), (0.1,), "a", NAN, None, {}, ODD), ""),
    value_range=LIMITS,
    seed=K.SEED,
    data_format=ORDER,
)
layer("layers.RandomBrightness", factor=SHARES, value_range=LIMITS, seed=K.SEED, data_format=ORDER)
PARTS = Kind((0.2, np.float64(0.2), (0.0, 0.2)), (-0.1, bad((0.1, 2), "2"), (0.1,), "a", NAN, None, {}, ODD), "")
FILLER = Kind((0.5, np.float64(0.5), np.array(0.5)), ("a", NAN, {}, bad((0, NAN), "nan"), ODD), "")
layer("layers.RandomErasing", factor=PARTS, scale=PARTS, value_range=LIMITS, seed=K.SEED, data_format=ORDER,
      fill_value=FILLER)  # fmt: skip
layer("layers.RandomShear", x_factor=SHARES, y_factor=SHARES, **FILL)
layer("layers.MixUp", alpha=K.ABOVE_0, seed=K.SEED, data_format=ORDER)
layer("layers.CutMix", factor=PARTS, seed=K.SEED, data_format=ORDER)
layer("layers.RandomPerspective", factor=PARTS, scale=K.RATE, interpolation=FILL["interpolation"], fill_value=K.FINITE,
      seed=K.SEED, data_format=ORDER)  # fmt: skip
RANGE = LIMITS.but((1, 1), (2,))
layer("layers.RandomColorDegeneration layers.RandomHue layers.RandomInvert layers.RandomSaturation "
      "layers.RandomSharpness", factor=PARTS, value_range=RANGE, seed=K.SEED, data_format=ORDER)  # fmt: skip
layer("layers.RandomGrayscale", factor=K.RATE, data_format=ORDER, seed=K.SEED)
layer("layers.RandomColorJitter", value_range=RANGE, brightness_factor=K.optional(SHARES),
      contrast_factor=K.optional(Kind((0.2, (0.2, 0.2)), PARTS.bad, "")), saturation_factor=K.optional(PARTS),
      hue_factor=K.optional(PARTS), seed=K.SEED, data_format=ORDER)  # fmt: skip
layer("layers.RandAugment", value_range=RANGE, num_ops=K.count(2, 100, low=0, words="a whole number from 0 to 99"),
      factor=PARTS, interpolation=FILL["interpolation"], seed=K.SEED, data_format=ORDER)  # fmt: skip
BITS = Kind(((1, 3), 3, np.int64(3), [3, 1], np.array([1, 3])),
            (0, 9, 1.5, (1, 2, 3), bad((0, 2), "0"), "a", NAN, None, (), {}, ODD), "")  # fmt: skip
layer("layers.RandomPosterization", factor=BITS, value_range=RANGE, seed=K.SEED, data_format=ORDER)
layer("layers.Solarization", addition_factor=PARTS, threshold_factor=PARTS, value_range=RANGE, seed=K.SEED,
      data_format=ORDER)  # fmt: skip
WINDOW = Kind((3, np.int64(3), (3, 3), np.array([3, 3])), (2, 0, -1, 1.5, (3,), (3, 2), "a", NAN, None, {}, ODD), "odd")
layer("layers.RandomGaussianBlur", factor=PARTS, kernel_size=WINDOW, sigma=PARTS, value_range=RANGE, seed=K.SEED,
      data_format=ORDER)  # fmt: skip
layer("layers.AutoContrast", value_range=RANGE, data_format=ORDER)
layer("layers.Equalization", value_range=RANGE, bins=K.count(16, 1, low=2), data_format=ORDER)
PIXELS = Kind((2, np.int64(2), (2, 2), np.array([2, 2])), (-1, 1.5, "a", None, (1,), (1, 2, 3), NAN, ODD), "")
layer("layers.RandomShift", pixels=PIXELS, fill_mode=FILL["fill_mode"], fill_value=FILL["fill_value"], seed=K.SEED,
      data_format=ORDER)  # fmt: skip
layer("layers.RandomCrop", height=K.POSITIVE, width=K.POSITIVE, seed=K.SEED, data_format=ORDER)
layer("layers.CenterCrop", height=K.POSITIVE, width=K.POSITIVE, data_format=ORDER)
layer(
    "layers.Resizing",
    height=K.POSITIVE,
    width=K.POSITIVE,
    interpolation=K.one_of("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"),
    crop_to_aspect_ratio=K.FLAG,
    pad_to_aspect_ratio=K.FLAG._replace(good=()),
    fill_mode=K.one_of("constant"),
    fill_value=K.FINITE,
    antialias=K.FLAG,
    data_format=ORDER,
)
