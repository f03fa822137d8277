"""The recipes against the published table: parameter counts, options, and what a Keras-shaped library is asked for."""

import os
from types import SimpleNamespace

import pytest

import minicnn
from minicnn import recipes

TABLE = {  # name: batch, epochs, steps per epoch on 37,800 rows, parameters, trainable, optimizer
    "kaggle_bn": (86, 30, 440, 889_322, 888_426, "Adam"),
    "kaggle_rmsprop": (100, 40, 378, 887_530, 887_530, "RMSprop"),
    "zero_padding_bn": (64, 50, 591, 1_886_354, 1_886_262, "RMSprop"),
    "lenet_16_36": (300, 20, 126, 242_062, 242_062, "Adam"),
    "valid_conv": (64, 5, 591, 93_322, 93_322, "RMSprop"),
}


def test_all_five_are_there():
    assert list(recipes.BY_NAME) == list(TABLE)


@pytest.mark.parametrize("name", TABLE)
def test_as_published(name):
    recipe = recipes.BY_NAME[name]
    model = recipe.build(minicnn, seed=0)
    optimizer = recipe.make_optimizer(minicnn)
    trainable = sum(weight.numpy().size for weight in model.trainable_weights)
    assert (recipe.batch_size, recipe.epochs, recipe.steps_per_epoch(37_800), model.count_params(), trainable,
            type(optimizer).__name__) == TABLE[name]  # fmt: skip
    assert (recipe.parameters, recipe.trainable) == (model.count_params(), trainable)
    assert (model.name, model.seed, model.sample_out) == (name, 0, (10,))
    assert float(optimizer.learning_rate) == 1e-3


def test_layers_of_lenet():
    model = recipes.lenet_16_36.build(minicnn)
    assert [layer.count_params() for layer in model.layers] == [416, 0, 14_436, 0, 0, 0, 225_920, 0, 1_290]


def test_floor_and_ceiling():
    assert recipes.kaggle_bn.steps_per_epoch(87) == 2
    assert recipes.kaggle_rmsprop.steps_per_epoch(199) == 1


def test_options():
    rows = [layer for layer in recipes.zero_padding_bn.build(minicnn).layers if hasattr(layer, "epsilon")]
    assert [layer.epsilon for layer in rows] == [1e-6, 1e-3, 1e-3]
    usual = recipes.zero_padding_bn.build(minicnn, axis=-1, activation="selu")
    assert usual.count_params() == 1_886_354 - 4 * (26 + 13 + 7) + 4 * (32 + 48 + 64)
    norms = [layer for layer in recipes.kaggle_bn.build(minicnn, momentum=0.9).layers if hasattr(layer, "momentum")]
    assert [layer.momentum for layer in norms] == [0.9] * 5


def test_an_unknown_option_is_an_error():
    with pytest.raises(TypeError, match="axis"):
        recipes.kaggle_bn.build(minicnn, axis=1)


def test_augmentation_and_schedule():
    for recipe in recipes.BY_NAME.values():
        assert bool(recipe.augmentation) == bool(recipe.plateau) == recipe.name.startswith("kaggle")
    minicnn.data.ImageDataGenerator(**recipes.kaggle_bn.augmentation, rescale=1 / 255)
    plateau = minicnn.callbacks.ReduceLROnPlateau(**recipes.kaggle_bn.plateau)
    assert (plateau.monitor, plateau.patience, plateau.factor, plateau.min_lr) == ("val_accuracy", 3, 0.5, 1e-5)


def test_nothing_but_what_keras_has_too():
    """A library with Sequential, Input and layers by name is enough."""
    names = []

    class Layers:
        def __getattr__(self, name):
            names.append(name)
            return lambda *_, **__: name

    library = SimpleNamespace(Input=tuple, Sequential=lambda layers, name: (layers, name), layers=Layers())
    layers, name = recipes.zero_padding_bn.build(library)
    assert (layers[0], name, layers[1:]) == ((28, 28, 1), "zero_padding_bn", names)


@pytest.mark.parity
@pytest.mark.parametrize("name", TABLE)
def test_keras_builds_the_same_shapes_and_counts(name):
    os.environ.setdefault("KERAS_BACKEND", "jax")
    keras = pytest.importorskip("keras")
    ours, theirs = recipes.BY_NAME[name].build(minicnn), recipes.BY_NAME[name].build(keras)
    assert [(layer.sample_out, layer.count_params()) for layer in ours.layers] == [
        (tuple(layer.output.shape[1:]), layer.count_params()) for layer in theirs.layers
    ]
