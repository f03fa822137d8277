"""The five documented systems as data: what each published text trains, on what, and what it reports.

One definition builds the network with minicnn and with Keras, because it uses the names that both have:

    model = minicnn.recipes.kaggle_bn.build(minicnn, seed=0, device="auto")
    twin = minicnn.recipes.kaggle_bn.build(keras)

All: 28 x 28 pixels / 255, one-hot labels, softmax output, loss categorical cross-entropy, metric accuracy.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .arguments import shown, whole
from .errors import ArgumentTypeError, require


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One published system.

    name        also the model's
    layers      layers(lib.layers, **options) -> the layers after the Input
    options     what `layers` may be told, with the published values
    data        "kaggle" or "mnist"
    held_out    fraction of the training rows to validate on; 0: none, evaluate on MNIST's test images
    split_seed  train_test_split's random_state, unstratified; None: the last rows (validation_split)
    mix_rows    whether the rows are put in another order before the last of them are held out
    optimizer   class name and arguments
    whole_only  whether an epoch leaves out the last, smaller batch
    parameters, trainable   how many
    augmentation            arguments of ImageDataGenerator, {} for none
    plateau                 arguments of ReduceLROnPlateau, {} for a constant learning rate
    headline    the published figures, in words
    figure      which number of ours is held beside `published`: "last val_accuracy", "best val_accuracy",
                "test accuracy" (after the last epoch)
    published   that number as published, a fraction 0..1
    """

    name: str
    layers: Callable[..., list]
    options: Mapping[str, Any] = field(default_factory=dict)
    data: str
    held_out: float
    split_seed: int | None = None
    mix_rows: bool = False
    optimizer: tuple[str, Mapping[str, Any]]
    batch_size: int
    epochs: int
    whole_only: bool = False
    parameters: int
    trainable: int
    augmentation: Mapping[str, Any] = field(default_factory=dict)
    plateau: Mapping[str, Any] = field(default_factory=dict)
    headline: str
    figure: str
    published: float

    def build(self, lib: Any, **options: Any) -> Any:
        """The network in `lib`, minicnn or keras. What is no option of the recipe goes to lib.Sequential: seed=, ..."""
        check_library(f"{self.name}.build: lib", lib, "Sequential")
        chosen = {name: options.pop(name, published) for name, published in self.options.items()}
        layers = [lib.Input((28, 28, 1)), *self.layers(lib.layers, **chosen)]
        return lib.Sequential(layers, **{"name": self.name, **options})

    def make_optimizer(self, lib: Any) -> Any:
        """A new optimizer of `lib`, as published."""
        check_library(f"{self.name}.make_optimizer: lib", lib, "optimizers")
        name, settings = self.optimizer
        return getattr(lib.optimizers, name)(**settings)

    def steps_per_epoch(self, rows: int) -> int:
        """Batches in an epoch over so many training rows."""
        rows = whole(f"{self.name}.steps_per_epoch: rows", rows)
        return rows // self.batch_size if self.whole_only else -(-rows // self.batch_size)


def check_library(where: str, lib: Any, what: str) -> None:
    require(hasattr(lib, what), where, "the module minicnn or keras", shown(lib), error=ArgumentTypeError)


AUGMENTATION = {"rotation_range": 10, "zoom_range": 0.1, "width_shift_range": 0.1, "height_shift_range": 0.1}
PLATEAU = {"monitor": "val_accuracy", "patience": 3, "factor": 0.5, "min_lr": 1e-5}


# A ------------------------------------------------------------------------------------------------------------------


def _kaggle_bn(nn, momentum):
    return [
        nn.Conv2D(32, 5, padding="same", activation="relu"),
        nn.BatchNormalization(momentum=momentum),
        nn.Conv2D(32, 5, padding="same", activation="relu"),
        nn.BatchNormalization(momentum=momentum),
        nn.MaxPool2D(2),
        nn.Dropout(0.25),
        nn.Conv2D(64, 3, padding="same", activation="relu"),
        nn.BatchNormalization(momentum=momentum),
        nn.Conv2D(64, 3, padding="same", activation="relu"),
        nn.BatchNormalization(momentum=momentum),
        nn.MaxPool2D(2, strides=2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Dense(256, activation="relu"),
        nn.BatchNormalization(momentum=momentum),
        nn.Dropout(0.5),
        nn.Dense(10, activation="softmax"),
    ]


kaggle_bn = Recipe(
    name="kaggle_bn",
    layers=_kaggle_bn,
    options={"momentum": 0.99},  # of batch norm's moving averages
    data="kaggle",
    held_out=0.1,
    split_seed=2,
    optimizer=("Adam", {"learning_rate": 1e-3}),
    batch_size=86,
    epochs=30,
    parameters=889_322,
    trainable=888_426,
    augmentation=AUGMENTATION,
    plateau=PLATEAU,
    headline="validation .9955-.9957; Kaggle .99546, rank 86 of 1,035",
    figure="last val_accuracy",
    published=0.9957,
)


# B: A without any batch norm, less dropout before the last layer ------------------------------------------------------


def _kaggle_rmsprop(nn):
    return [
        nn.Conv2D(32, 5, padding="same", activation="relu"),
        nn.Conv2D(32, 5, padding="same", activation="relu"),
        nn.MaxPool2D(2),
        nn.Dropout(0.25),
        nn.Conv2D(64, 3, padding="same", activation="relu"),
        nn.Conv2D(64, 3, padding="same", activation="relu"),
        nn.MaxPool2D(2, strides=2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Dense(256, activation="relu"),
        nn.Dropout(0.25),
        nn.Dense(10, activation="softmax"),
    ]


kaggle_rmsprop = Recipe(
    name="kaggle_rmsprop",
    layers=_kaggle_rmsprop,
    data="kaggle",
    held_out=0.1,
    split_seed=3,
    optimizer=("RMSprop", {"learning_rate": 1e-3}),
    batch_size=100,
    epochs=40,
    whole_only=True,
    parameters=887_530,
    trainable=887_530,
    augmentation=AUGMENTATION,
    plateau=PLATEAU,
    headline="best validation .9962, last .9950",
    figure="best val_accuracy",
    published=0.9962,
)


# C: activations, paddings and softmax as layers of their own ----------------------------------------------------------


def _zero_padding_bn(nn, axis, activation):
    return [
        nn.Conv2D(32, 3),
        nn.Activation(activation),
        nn.BatchNormalization(axis=axis, epsilon=1e-6),
        nn.MaxPool2D(2),
        nn.ZeroPadding2D(1),
        nn.Conv2D(48, 3),
        nn.Activation(activation),
        nn.BatchNormalization(axis=axis),
        nn.MaxPool2D(2),
        nn.ZeroPadding2D(1),
        nn.Conv2D(64, 2),
        nn.Activation(activation),
        nn.BatchNormalization(axis=axis),
        nn.MaxPool2D(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Dense(3168),
        nn.Activation(activation),
        nn.Dense(10),
        nn.Activation("softmax"),
    ]


zero_padding_bn = Recipe(
    name="zero_padding_bn",
    layers=_zero_padding_bn,
    # As published: on channels-last images axis 1 takes the statistics of each image row. The usual choice is -1; the
    # text recommends activation="selu".
    options={"axis": 1, "activation": "relu"},
    data="kaggle",
    held_out=0.2,
    mix_rows=True,
    optimizer=("RMSprop", {}),
    batch_size=64,
    epochs=50,
    parameters=1_886_354,
    trainable=1_886_262,
    headline="validation .992 or more before submitting; Kaggle top 20 %",
    figure="last val_accuracy",
    published=0.992,
)


# D ------------------------------------------------------------------------------------------------------------------


def _lenet_16_36(nn):
    return [
        nn.Conv2D(16, 5, padding="same", activation="relu"),
        nn.MaxPool2D(2),
        nn.Conv2D(36, 5, padding="same", activation="relu"),
        nn.MaxPool2D(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Dense(128, activation="relu"),
        nn.Dropout(0.5),
        nn.Dense(10, activation="softmax"),
    ]


lenet_16_36 = Recipe(
    name="lenet_16_36",
    layers=_lenet_16_36,
    data="mnist",
    held_out=0.2,
    optimizer=("Adam", {}),
    batch_size=300,
    epochs=20,
    parameters=242_062,
    trainable=242_062,
    headline="test .9926, test loss .02197",
    figure="test accuracy",
    published=0.9926,
)


# E ------------------------------------------------------------------------------------------------------------------


def _valid_conv(nn):
    return [
        nn.Conv2D(32, 3, activation="relu"),
        nn.MaxPool2D(2),
        nn.Conv2D(64, 3, activation="relu"),
        nn.MaxPool2D(2),
        nn.Conv2D(64, 3, activation="relu"),
        nn.Flatten(),
        nn.Dense(64, activation="relu"),
        nn.Dense(10, activation="softmax"),
    ]


valid_conv = Recipe(
    name="valid_conv",
    layers=_valid_conv,
    data="mnist",
    held_out=0,
    optimizer=("RMSprop", {}),
    batch_size=64,
    epochs=5,
    parameters=93_322,
    trainable=93_322,
    headline="test about .992",
    figure="test accuracy",
    published=0.992,
)

BY_NAME = {recipe.name: recipe for recipe in (kaggle_bn, kaggle_rmsprop, zero_padding_bn, lenet_16_36, valid_conv)}
