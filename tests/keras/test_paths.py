"""Keras's module paths: every name is minicnn's own object, or says that minicnn lacks it when it is used."""

import importlib
import subprocess
import sys

import numpy as np
import pytest

import minicnn as mc
from minicnn import keras
from minicnn.errors import UnsupportedError
from minicnn.keras import _older

IMPORTS = """
import minicnn.keras as K1
from minicnn import keras
from minicnn.keras.models import Sequential, Model, load_model
from minicnn.keras.layers import Activation, BatchNormalization, Conv2D, Dense, Dropout, Flatten, Input, MaxPooling2D
from minicnn.keras.layers import LSTM, Embedding, Lambda, add, concatenate
from minicnn.keras.layers.convolutional import Conv2D as C, MaxPooling2D, ZeroPadding2D
from minicnn.keras.layers.core import Dense, Dropout, Flatten
from minicnn.keras.layers.normalization import BatchNormalization
from minicnn.keras.layers.advanced_activations import ELU, LeakyReLU, PReLU
from minicnn.keras.layers.pooling import GlobalAveragePooling2D
from minicnn.keras.layers.merge import Concatenate
from minicnn.keras.engine.topology import Layer
from minicnn.keras.optimizers import SGD, Adam, RMSprop
from minicnn.keras.optimizers.schedules import ExponentialDecay
from minicnn.keras.callbacks import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau
from minicnn.keras.losses import categorical_crossentropy
from minicnn.keras.metrics import categorical_accuracy
from minicnn.keras.initializers import he_normal
from minicnn.keras.regularizers import l2
from minicnn.keras.constraints import max_norm
from minicnn.keras.activations import relu
from minicnn.keras.utils import np_utils, plot_model, to_categorical
from minicnn.keras.utils.np_utils import to_categorical
from minicnn.keras.utils.vis_utils import plot_model
from minicnn.keras.preprocessing.image import ImageDataGenerator, img_to_array, load_img
from minicnn.keras.preprocessing import image
from minicnn.keras.datasets import cifar10, fashion_mnist, mnist
from minicnn.keras.wrappers.scikit_learn import KerasClassifier
from minicnn.keras import applications, backend as K, layers, models, optimizers
import minicnn.keras.backend as K2
import minicnn.keras.layers
from minicnn.keras.api.layers import Conv2D
from minicnn.keras.api.models import Sequential
from minicnn.keras.api import layers
from minicnn.keras.src.layers import Dense
from minicnn.keras.src.legacy.preprocessing.image import ImageDataGenerator
from minicnn.keras._tf_keras.keras.preprocessing.image import ImageDataGenerator
from minicnn.keras._tf_keras.keras import layers
""".strip().splitlines()


@pytest.mark.parametrize("line", IMPORTS)
def test_import_lines(line):
    exec(line, {})


def test_every_name_is_minicnns_own():
    """Nothing is written twice: what has a home is found there, as the same object."""
    homes = {"layers": mc.layers, "optimizers": mc.optimizers, "callbacks": mc.callbacks, "losses": mc.losses,
             "metrics": mc.metrics, "initializers": mc.initializers}  # fmt: skip
    for name, home in homes.items():
        module = importlib.import_module(f"minicnn.keras.{name}")
        found = [n for n in dir(module) if not n.startswith("_")]
        assert len(found) > 5
        for one in found:
            if (name, one) == ("layers", "Layer"):  # the base of scripts' own classes has Keras's conventions
                assert issubclass(module.Layer, mc.layers.Layer)
                continue
            older = {"layers": _older.LAYERS, "losses": _older.LOSSES}.get(name, {})
            if one in older:
                assert getattr(module, one) is older[one]
                continue
            here = home if name != "metrics" or hasattr(home, one) else mc.losses  # Keras has losses among metrics
            new = ("schedules", "serialize", "deserialize")
            old = name == "optimizers" and one.islower() and one not in new  # a class of Keras 1
            if one == "get" and name in ("optimizers", "losses", "metrics"):  # minicnn's own, and None is no error
                assert module.get(None) is None
                continue
            assert getattr(module, one) is (type(here.get(one)) if old else getattr(here, one)), f"{name}.{one}"


def test_old_paths_are_the_same_modules():
    assert keras.__version__.startswith("3.")
    assert keras.layers.convolutional is keras.layers
    assert keras.utils.np_utils is keras.utils
    assert keras.layers.Conv2D is mc.layers.Conv2D
    assert keras.Input is mc.layers.Input
    assert issubclass(keras.Sequential, mc.Sequential)


def test_star_import_brings_what_is_there():
    names = {}
    exec("from minicnn.keras.layers import *", names)
    assert names["Conv2D"] is mc.layers.Conv2D
    assert "LSTM" not in names


def test_what_is_missing_can_be_imported_and_says_so_when_used():
    from minicnn.keras.layers import LSTM, Bidirectional

    assert not isinstance(3, LSTM)
    assert "minicnn has no keras.layers.LSTM" in repr(LSTM)
    derive = compile("class Mine(LSTM): ...", "derive", "exec")
    for use in (lambda: LSTM(32), lambda: Bidirectional.anything, lambda: exec(derive, {"LSTM": LSTM})):
        with pytest.raises(UnsupportedError, match=r"minicnn.keras: minicnn has no keras\.layers\."):
            use()
    with pytest.raises(UnsupportedError, match=r"no keras\.optimizers\.Muon"):
        keras.optimizers.Muon()
    with pytest.raises(AttributeError, match="no attribute 'Conv2d'"):
        keras.layers.Conv2d  # noqa: B018
    with pytest.raises(ImportError):
        exec("from minicnn.keras.layers import Conv2d")


def test_a_seed_for_all_models():
    def weights():
        keras.utils.set_random_seed(3)
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        return model.get_weights()[0], np.random.rand()  # noqa: NPY002

    (a, x), (b, y) = weights(), weights()
    assert a.tobytes() == b.tobytes()
    assert x == y


def test_minicnn_itself_does_not_load_it():
    code = "import minicnn, sys; minicnn.layers; assert not any(m.startswith('minicnn.keras') for m in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
