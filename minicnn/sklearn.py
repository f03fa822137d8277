"""Networks as estimators of scikit-learn: in pipelines, searches, calibration and cross-validation.

    from minicnn.sklearn import MiniCNNClassifier

    MiniCNNClassifier(epochs=5, random_state=0).fit(x, labels).predict(x)
    GridSearchCV(MiniCNNClassifier(build), {"model__filters": [8, 16], "optimizer__learning_rate": [1e-3, 1e-2]})

`import minicnn` does not load this module, and nothing else of minicnn needs it.
"""

import contextlib
import copy
import hashlib
import inspect
import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from . import arguments, layers, losses, optimizers
from .backend.streams import drawn_from
from .errors import ArgumentError, ArgumentTypeError, DataError, ShapeError, nearest, require
from .saving import serialize
from .structure import flat
from .training.model import Model
from .training.sequential import Sequential

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from .backend.base import Backend

__all__ = ["MiniCNNClassifier", "MiniCNNRegressor"]

NESTED = ("model", "optimizer", "loss")  # whose own arguments are set as model__filters, optimizer__learning_rate
STEPS, EPOCHS = 2000, (10, 200)  # epochs=None: so many steps, in no less and no more epochs
REPEATED = 10  # rows of the training set for one given: up to there weights that are whole numbers are so many rows


class _Estimator(BaseEstimator):
    """What classifier and regressor share.  The constructor stores its arguments, and `fit` checks them."""

    _last: ClassVar[str]  # activation of the default network's last layer
    model_: Model
    history_: dict[str, list]
    n_iter_: int

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        signature = inspect.signature(cls.__init__)
        named = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
        cls.__init__.__signature__ = signature.replace(parameters=named)  # scikit-learn looks for arguments there

    def __init__(
        self, model: Callable[..., Model] | Model | None = None, *, optimizer: str | optimizers.Optimizer | None = None,
        loss: str | Callable | None = None, metrics: str | Callable | list | None = None, epochs: int | None = None,
        batch_size: int = 32, validation_split: float = 0.0, callbacks: list | Callable[[], list] | None = None,
        input_shape: Sequence[int] | None = None, verbose: int = 0,
        random_state: int | np.random.RandomState | None = None, device: "str | Backend" = "cpu", **nested: Any,
    ):  # fmt: skip
        self.model = model
        self.optimizer = optimizer
        self.loss = loss
        self.metrics = metrics
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_split = validation_split
        self.callbacks = callbacks
        self.input_shape = input_shape
        self.verbose = verbose
        self.random_state = random_state
        self.device = device
        self._nest(nested)

    # parameters ------------------------------------------------------------------------------------------------------

    def _nest(self, nested: dict) -> None:
        own = self._get_param_names()
        for name in nested:
            ok = name.partition("__")[0] in NESTED and name.partition("__")[2]
            expected = f"{', '.join(own)}, or names that begin with {', '.join(f'{one}__' for one in NESTED)}"
            require(ok, type(self).__name__, expected, repr(name), nearest(name, own), error=ArgumentTypeError)
        self._nested = self.__dict__.get("_nested", {}) | nested

    def get_params(self, deep: bool = True) -> dict:
        """The constructor's arguments, model__... and the like among them."""
        return super().get_params(deep) | self._nested

    def set_params(self, **params: Any) -> Self:
        """Set arguments of the constructor, model__... and the like among them."""
        nested = {name: params.pop(name) for name in list(params) if name.partition("__")[0] in NESTED and "__" in name}
        super().set_params(**params)
        self._nest(nested)
        return self

    def _own(self, name: str) -> dict:
        """What is set of model__..., without the prefix."""
        prefix = f"{name}__"
        return {key.removeprefix(prefix): value for key, value in self._nested.items() if key.startswith(prefix)}

    # fitting ---------------------------------------------------------------------------------------------------------

    def _loss(self, output_shape: Any) -> str:
        """The name of the loss for a model with these outputs, where none is stated."""
        raise NotImplementedError

    def _targets(self, model: Model, y: np.ndarray, outputs: int) -> np.ndarray:
        """y as the model's loss takes it.  Raises ShapeError where the model's outputs do not fit."""
        raise NotImplementedError

    def _fit(self, x: np.ndarray, y: np.ndarray, sample_weight: Any, balance: np.ndarray | None, outputs: int) -> Self:
        """x (N, ...), y (N,) class numbers or (N, outputs); balance: factors of the rows beside sample_weight."""
        rows, weights = _rows(x, y, sample_weight)
        if balance is not None:
            weights = balance[rows] * (1 if weights is None else weights)
        if weights is not None:
            weights = weights / weights.mean()
        x, y = self._shaped(x)[rows], y[rows]
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        model = self._build(x.shape[1:], outputs, seed)
        y = self._targets(model, y, outputs)
        epochs = self.epochs
        if epochs is None:
            batches = -(-len(x) // arguments.whole("batch_size", self.batch_size))
            epochs = min(max(-(-STEPS // batches), EPOCHS[0]), EPOCHS[1])
        callbacks = self.callbacks() if callable(self.callbacks) else copy.deepcopy(self.callbacks)
        history = model.fit(
            x, y, batch_size=self.batch_size, epochs=epochs, validation_split=self.validation_split,
            callbacks=callbacks, sample_weight=weights, verbose=self.verbose,
        )  # fmt: skip
        self.model_, self.history_, self.n_iter_ = model, history.history, len(history.epoch)
        return self

    def _shaped(self, x: np.ndarray) -> np.ndarray:
        """Rows as samples of input_shape; images (N, H, W) with their one channel."""
        if self.input_shape is not None:
            shape = arguments.wholes("input_shape", self.input_shape)
            size = int(np.prod(x.shape[1:]))
            require(size == np.prod(shape), "input_shape", f"a shape of {size} numbers, as X has", shape)
            return x.reshape(-1, *shape)
        return x[..., None] if x.ndim == 3 else x

    def _build(self, shape: tuple[int, ...], outputs: int, seed: int) -> Model:
        """A model of its own for this fit, compiled."""
        given = self._own("model")
        if isinstance(self.model, Model):
            require(not given, "model", "a function, where model__... are its arguments", "a model",
                    error=ArgumentError)  # fmt: skip
            model = copy.deepcopy(self.model)
        else:
            known = {"input_shape": shape, "outputs": outputs, "classes": outputs, "seed": seed, "device": self.device}
            build = arguments.function("model", self.model, of="input_shape and outputs", optional=True)
            build = build or self._default
            model = _seeded(seed, build, _accepted(build, known) | given)
            if not isinstance(model, Model):
                require(False, "model", "a function that returns a model", arguments.shown(model),
                        error=ArgumentTypeError)  # fmt: skip
        chosen = {name: self._own(name) for name in ("optimizer", "loss")}
        optimizer = model.optimizer if self.optimizer is None else self.optimizer
        if self.optimizer is not None or chosen["optimizer"] or optimizer is None:
            optimizer = _configured("optimizer", optimizers.get, optimizer or "adam", chosen["optimizer"])
        wanted = model.loss if self.loss is None else self.loss
        model.build((None, *shape))
        loss = _configured("loss", losses.get, wanted or self._loss(model.sample_out), chosen["loss"])
        metrics = model.metrics if self.metrics is None else self.metrics
        model.compile(optimizer, loss, metrics=copy.deepcopy(metrics), weighted_metrics=model.weighted_metrics)
        return model

    def _default(self, input_shape, outputs, seed, device, filters=32, units=100, dropout=0.0) -> Sequential:
        """Two convolutions for images, one hidden layer for anything else."""
        model = Sequential([layers.Input(input_shape)], seed=seed, device=device)
        if len(input_shape) == 3:
            for count in (filters, 2 * filters):
                model.add(layers.Conv2D(count, 3, padding="same", activation="relu"))
                model.add(layers.MaxPooling2D(2, padding="same"))
        if len(input_shape) > 1:
            model.add(layers.Flatten())
        else:
            model.add(layers.Dense(units, activation="relu"))
        if dropout:
            model.add(layers.Dropout(dropout))
        model.add(layers.Dense(outputs, activation=self._last))
        return model

    def _output(self, x) -> np.ndarray:
        check_is_fitted(self)
        (x,) = _arrays(self, x, reset=False, allow_nd=True)
        return flat(self.model_.predict(self._shaped(x), batch_size=self.batch_size, verbose=0))[0]


class MiniCNNClassifier(ClassifierMixin, _Estimator):
    """A network that tells classes apart, as an estimator of scikit-learn.

    model        a function that returns a model, given those of its arguments input_shape (of a sample), outputs (or
                 classes: their number), seed and device that it names, and all model__...; or a model, of which each
                 fit trains a copy, from the weights that it has; None: two convolutions for images, else one hidden
                 layer (model__filters, model__units, model__dropout). It ends in `outputs` probabilities (or logits,
                 with a loss from_logits=True), or for two classes in one.
    optimizer, loss, metrics   as compile's; None: what the function compiled, else "adam" and the crossentropy that
                 fits. optimizer__learning_rate=..., loss__label_smoothing=... are their own arguments
    epochs       None: so many that 2,000 steps are made, at least 10 and at most 200
    callbacks    a list, of which each fit uses a copy, or a function that returns one
    class_weight a dict from label to factor, or "balanced"
    input_shape  of a sample, where X has it as rows of numbers: (8, 8, 1)
    random_state an int: the same data, in whatever order, give the same bytes

    fit sets classes_, model_, history_ (name -> a value per epoch), n_iter_ (epochs), n_features_in_.  X is (N, F),
    images (N, H, W) or (N, H, W, C), or what the model takes. Rows are trained in an order that their content and
    random_state decide, not their place; so of validation_split too. Sample weights that are whole numbers count as so
    many rows; others are factors of the loss, whose mean is 1.
    """

    _last = "softmax"

    def __init__(
        self, model: Callable[..., Model] | Model | None = None, *, optimizer: str | optimizers.Optimizer | None = None,
        loss: str | Callable | None = None, metrics: str | Callable | list | None = None, epochs: int | None = None,
        batch_size: int = 32, validation_split: float = 0.0, callbacks: list | Callable[[], list] | None = None,
        class_weight: dict | str | None = None, input_shape: Sequence[int] | None = None, verbose: int = 0,
        random_state: int | np.random.RandomState | None = None, device: "str | Backend" = "cpu", **nested: Any,
    ):  # fmt: skip
        super().__init__(
            model, optimizer=optimizer, loss=loss, metrics=metrics, epochs=epochs, batch_size=batch_size,
            validation_split=validation_split, callbacks=callbacks, input_shape=input_shape, verbose=verbose,
            random_state=random_state, device=device, **nested,
        )  # fmt: skip
        self.class_weight = class_weight

    def fit(self, X: "ArrayLike", y: "ArrayLike", sample_weight: "ArrayLike | None" = None) -> Self:
        """Train a new network on X and the labels y (N,): numbers, strings, whatever can be sorted."""
        x, y = _arrays(self, X, y, allow_nd=True)
        check_classification_targets(y)
        y = column_or_1d(y, warn=True)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        require(len(self.classes_) > 1, f"{type(self).__name__}: y", "at least two classes", "one class",
                error=DataError)  # fmt: skip
        balance = None if self.class_weight is None else compute_sample_weight(self.class_weight, y)
        return self._fit(x, numbers.astype(np.int64), sample_weight, balance, len(self.classes_))

    def predict_proba(self, X: "ArrayLike") -> np.ndarray:
        """Probabilities (N, K) in the order of classes_."""
        return self._probabilities(self._output(X))

    def predict(self, X: "ArrayLike") -> np.ndarray:
        """The most probable label of each row."""
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]

    def _loss(self, output_shape: Any) -> str:
        return "binary_crossentropy" if output_shape == (1,) else "sparse_categorical_crossentropy"

    def _targets(self, model: Model, y: np.ndarray, outputs: int) -> np.ndarray:
        """Class numbers for a sparse loss, one column for one output, else one-hot rows."""
        single = model.sample_out == (1,) and outputs == 2
        expected = f"a model with {outputs} outputs, one a class"
        require(single or model.sample_out == (outputs,), "model", expected, f"outputs {model.sample_out}")
        if single:
            return y[:, None]
        return y if isinstance(model.loss, losses.SparseCategoricalCrossentropy) else np.eye(outputs)[y]

    def _probabilities(self, y: np.ndarray) -> np.ndarray:
        logits = getattr(self.model_.loss, "from_logits", False)
        if y.shape[1] == 1:
            p = 0.5 * (1 + np.tanh(0.5 * y)) if logits else y  # the sigmoid, which cannot overflow
            return np.hstack([1 - p, p])
        if logits:
            y = np.exp(y - y.max(axis=1, keepdims=True))
            y = y / y.sum(axis=1, keepdims=True)
        return y


class MiniCNNRegressor(RegressorMixin, _Estimator):
    """A network that predicts one number or several, as an estimator of scikit-learn.

    Arguments and rules as MiniCNNClassifier's, without class_weight; the loss is "mean_squared_error" unless stated.
    y is (N,), or (N, K) for K outputs. Targets are not scaled: see scikit-learn's TransformedTargetRegressor.
    """

    _last = "linear"

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: "ArrayLike", y: "ArrayLike", sample_weight: "ArrayLike | None" = None) -> Self:
        """Train a new network on X and the numbers y, (N,) or (N, K)."""
        x, y = _arrays(self, X, y, allow_nd=True, multi_output=True, y_numeric=True)
        y = np.asarray(y, np.float64)
        self._flat = y.ndim == 1
        y = y.reshape(len(y), -1)
        return self._fit(x, y, sample_weight, None, y.shape[1])

    def predict(self, X: "ArrayLike") -> np.ndarray:
        """Numbers (N,) or (N, K), as y was."""
        y = self._output(X).astype(np.float64)
        return y[:, 0] if self._flat else y

    def _loss(self, output_shape: Any) -> str:
        return "mean_squared_error"

    def _targets(self, model: Model, y: np.ndarray, outputs: int) -> np.ndarray:
        fits = model.sample_out == (outputs,)
        require(fits, "model", f"a model with {outputs} outputs, as y has columns", f"outputs {model.sample_out}")
        return y


def _arrays(estimator: _Estimator, *given: Any, **how: Any) -> list[np.ndarray]:
    """X, or X and y, checked by scikit-learn, which notes or compares the columns' names and number."""
    found = validate_data(estimator, *given, **how)
    return list(map(np.asarray, found if len(given) > 1 else [found]))


def _rows(x: np.ndarray, y: np.ndarray, sample_weight) -> tuple[np.ndarray, np.ndarray | None]:
    """The rows of x to train on, in the order of their digests, and their weights.

    So permuted data train the same network, and weights 0, 1, 2 the same one as rows left out, or given twice.
    """
    flat = [np.ascontiguousarray(one.reshape(len(one), -1)) for one in (x, y)]
    digests = [hashlib.blake2b(b + a.tobytes(), digest_size=8).digest() for a, b in
               zip(flat[0], map(np.ndarray.tobytes, flat[1]), strict=True)]  # fmt: skip
    order = np.argsort(np.frombuffer(b"".join(digests), np.uint64), kind="stable")
    if sample_weight is None:
        return order, None
    weights = check_array(sample_weight, ensure_2d=False, dtype="float64", input_name="sample_weight")
    require(weights.shape == (len(x),), "sample_weight", f"shape ({len(x)},)", weights.shape, error=ShapeError)
    require((weights >= 0).all(), "sample_weight", "numbers of at least 0", f"{weights.min():g}", error=DataError)
    require(weights.any(), "sample_weight", "a weight above zero", "zeros alone", error=DataError)
    weights = weights[order]
    if (weights == np.floor(weights)).all() and weights.sum() <= REPEATED * len(x):
        return np.repeat(order, weights.astype(np.int64)), None
    return order[weights > 0], weights[weights > 0]


def _accepted(function: Callable, known: dict[str, Any]) -> dict[str, Any]:
    """Those of `known` that are arguments of the function by name."""
    return {name: value for name, value in known.items() if name in inspect.signature(function).parameters}


def _seeded(seed: int, build: Callable, options: dict) -> Any:
    """build(**options), in which models without a seed, and NumPy's and Python's generators, draw from `seed`."""
    with contextlib.ExitStack() as stack:
        stack.callback(np.random.set_state, np.random.get_state())  # noqa: NPY002  (what the function draws from)
        stack.callback(random.setstate, random.getstate())
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        stack.enter_context(drawn_from(seed))
        return build(**options)


def _configured(where: str, get: Callable, wanted: Any, own: dict) -> Any:
    """A new optimizer or loss by name, class or instance, with arguments of its own."""
    found = copy.deepcopy(get(wanted))
    if not own:
        return found
    with arguments.within(where):
        if isinstance(found, losses.Loss):
            return type(found)(**serialize.loss_entry(found).get("config", {}) | own)
        rate = {} if found.schedule is None else {"learning_rate": found.schedule}
        return type(found)(**found.get_config() | rate | own)
