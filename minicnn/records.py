"""Recipes that aim at accuracy in little time: networks, schedules and augmentation of our own choice.

      minicnn record mnist_record --seed 0 1 2 3 4        five networks, each alone, and their ensemble
      minicnn train --recipe mnist_record                 one, and Kaggle's submission

The protocol: every choice stands here, before a run; what is reported is the last epoch, on images that were not
trained on, over several seeds; no epoch and no seed is chosen by its result. benchmarks/records.py measures them and
writes RECORDS.md. `aim` is what is wanted, not what was found: mnist_record and cifar10 fall a little short of it, and
fashion has not been trained. How long they are was set by `python benchmarks/records.py --arithmetic`: what two AVX-512
cores should do in 15 minutes (mnist_record) or 20.

Sources: Deotte 2018, "25 million images! [0.99757] MNIST", for deep nets of small kernels under augmentation; Smith &
Topin 2017, "Super-convergence", for the schedule; Jordan 2024, "94% on CIFAR-10 in 3.29 seconds", for cifar10: whitened
patches, convolutions that begin as the identity, large steps of the shifts, images moved by two reflected pixels and
mirrored in every other epoch. Not from there: ReLU for GELU; a rate that ends at 0, for its lookahead.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .arguments import shown, whole
from .errors import ArgumentTypeError, require
from .recipes import check_library


@dataclass(frozen=True, kw_only=True)
class Record:
    """One recipe.

    data          "kaggle" (10 % held out, stratified, seed 2), "fashion" or "cifar10" (their test images)
    input_shape   of an image, whose pixels are divided by 255
    layers        layers(lib.layers) -> the layers after the Input; those that augment do so in training alone
    augmentation  arguments of ImageDataGenerator
    max_lr        of OneCycle over all steps
    cycle         its other arguments
    optimizer     optimizer(lib.optimizers, rate) -> the optimizer
    prepare       prepare(model, images): sets first weights, from training images whose pixels are divided by 255
    tta           of predict
    aim           a fraction 0..1
    """

    name: str
    data: str
    input_shape: tuple[int, int, int]
    layers: Callable[[Any], list]
    augmentation: Mapping[str, Any] = field(default_factory=dict)
    epochs: int
    batch_size: int
    max_lr: float
    optimizer: Callable[[Any, Any], Any]
    cycle: Mapping[str, Any] = field(default_factory=dict)
    prepare: Callable[[Any, np.ndarray], None] | None = None
    label_smoothing: float = 0.0
    tta: str | None = None
    aim: float

    def build(self, lib: Any, seed: int, **options: Any) -> Any:
        """The network, named after recipe and seed, so that several can be layers of one ensemble."""
        check_library(f"{self.name}.build: lib", lib, "Sequential")
        whole(f"{self.name}.build: seed", seed, low=0)
        layers = [lib.Input(self.input_shape), *self.layers(lib.layers)]
        return lib.Sequential(layers, name=f"{self.name}_{seed}", seed=seed, **options)

    def compile(self, lib: Any, model: Any, steps: int) -> None:
        """Prepare a model of `build` for so many steps in all."""
        where = f"{self.name}.compile"
        check_library(f"{where}: lib", lib, "optimizers")
        ok = hasattr(model, "compile")
        require(ok, f"{where}: model", "a model", shown(model), "make it with build", error=ArgumentTypeError)
        whole(f"{where}: steps", steps)
        rate = lib.optimizers.schedules.OneCycle(self.max_lr, steps, **self.cycle)
        loss = lib.losses.CategoricalCrossentropy(label_smoothing=self.label_smoothing)
        model.compile(self.optimizer(lib.optimizers, rate), loss, metrics=["accuracy"])


def _conv(nn, filters, size=3, **conv_args):
    return [nn.Conv2D(filters, size, padding="same", use_bias=False, **conv_args), nn.BatchNormalization(momentum=0.9),
            nn.Activation("relu")]  # fmt: skip


def _digits(nn):
    return [
        *_conv(nn, 32), *_conv(nn, 32), nn.MaxPooling2D(), nn.Dropout(0.2),
        *_conv(nn, 64), *_conv(nn, 64), nn.MaxPooling2D(), nn.Dropout(0.3),
        *_conv(nn, 128), nn.MaxPooling2D(), nn.Flatten(), nn.Dropout(0.4), nn.Dense(10, activation="softmax"),
    ]  # fmt: skip


def _clothes(nn):
    return [
        nn.RandomFlip("horizontal"), nn.RandomShift(2), nn.RandomErasing((0.5, 0.5), value_range=(0, 1)),
        *_conv(nn, 32), *_conv(nn, 64), nn.MaxPooling2D(), nn.Dropout(0.2),
        *_conv(nn, 96), *_conv(nn, 96), nn.MaxPooling2D(), nn.Dropout(0.3),
        *_conv(nn, 160), nn.GlobalMaxPooling2D(), nn.Dropout(0.3), nn.Dense(10, activation="softmax"),
    ]  # fmt: skip


def _small_pictures(nn):
    """Whitened patches; then three pairs of convolutions, of which the first is pooled before its normalization."""
    layers = [nn.RandomShift(2), nn.Conv2D(24, 2, activation="relu", trainable=False, name="whitening")]
    for filters in (64, 256, 256):
        for pool in ([nn.MaxPooling2D()], []):
            layers += [nn.Conv2D(filters, 3, padding="same", use_bias=False), *pool,
                       nn.BatchNormalization(momentum=0.8, scale=False), nn.Activation("relu")]  # fmt: skip
    return [*layers, nn.MaxPooling2D(3), nn.Flatten(), nn.Rescaling(1 / 9), nn.Dense(10, activation="softmax")]


def _prepare_pictures(model, images):
    """The first weights of _small_pictures.  images (N, H, W, C)."""
    for layer in model.layers:
        if layer.name == "whitening":
            _whiten(layer, images)
        elif hasattr(layer, "kernel_size"):
            _begin_as_identity(layer)


def _whiten(layer, images):
    """Filters: both signs of the principal components of the images' patches, scaled so that each has variance 1."""
    patches = sliding_window_view(images, layer.kernel_size, axis=(1, 2)).transpose(0, 1, 2, 4, 5, 3)
    inputs = math.prod(patches.shape[3:])
    patches = patches.reshape(-1, inputs).astype(np.float64)
    mean = patches.mean(axis=0)
    variances, components = np.linalg.eigh(np.cov(patches.T))
    whitening = components / np.sqrt(variances + 5e-4 * variances.mean())
    kernel = np.concatenate([whitening, -whitening], axis=1)
    layer.set_weights([kernel.reshape(*layer.kernel_size, -1, 2 * inputs), -mean @ kernel])


def _begin_as_identity(layer):
    """Filter i passes channel i on, for as many as there are channels; the others stay as they were drawn."""
    (kernel,) = layer.get_weights()
    same = np.arange(min(kernel.shape[2:]))
    kernel[:, :, :, same] = 0
    kernel[1, 1, same, same] = 1
    layer.set_weights([kernel])


def _adamw(weight_decay):
    return lambda optimizers, rate: optimizers.AdamW(rate, weight_decay=weight_decay)


def _nesterov(optimizers, rate):
    """Large steps of the shifts after normalization, which weight decay leaves alone."""
    optimizer = optimizers.SGD(rate, momentum=0.85, nesterov=True, weight_decay=1e-2,
                               learning_rate_factors={"beta": 64})  # fmt: skip
    optimizer.exclude_from_weight_decay(var_names=["beta"])
    return optimizer


TURNS = {"rotation_range": 12, "zoom_range": 0.1, "width_shift_range": 0.1, "height_shift_range": 0.1,
         "shear_range": 8}  # fmt: skip
TRIANGLE = {"pct_start": 0.23, "anneal_strategy": "linear", "div_factor": 5}

mnist_record = Record(name="mnist_record", data="kaggle", input_shape=(28, 28, 1), layers=_digits, augmentation=TURNS,
                      epochs=40, batch_size=128, max_lr=4e-3, optimizer=_adamw(1e-3), tta="shifts",
                      aim=0.9970)  # fmt: skip
fashion = Record(name="fashion", data="fashion", input_shape=(28, 28, 1), layers=_clothes, epochs=30, batch_size=128,
                 max_lr=4e-3, optimizer=_adamw(5e-3), label_smoothing=0.1, tta="flips", aim=0.940)  # fmt: skip
cifar10 = Record(name="cifar10", data="cifar10", input_shape=(32, 32, 3), layers=_small_pictures,
                 augmentation={"horizontal_flip": "alternating"}, epochs=14, batch_size=512, max_lr=0.75,
                 cycle=TRIANGLE, optimizer=_nesterov, prepare=_prepare_pictures, label_smoothing=0.2,
                 tta="shifts+flips", aim=0.94)  # fmt: skip

BY_NAME = {record.name: record for record in (mnist_record, fashion, cifar10)}
