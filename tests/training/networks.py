"""Networks of the tests: the published network A, narrow ones in its shape, and toy data."""

import numpy as np

from minicnn import Sequential, layers


def network_a(filters=(32, 64), units=256, classes=10, size=28, smooth=False, **kwargs):
    """Network A. `smooth`: tanh and average pooling, which have no kinks."""
    act, pool = ("tanh", layers.AveragePooling2D) if smooth else ("relu", layers.MaxPooling2D)
    few, many = filters
    return Sequential([
        layers.Input((size, size, 1)),
        layers.Conv2D(few, (5, 5), padding="same", activation=act), layers.BatchNormalization(),
        layers.Conv2D(few, (5, 5), padding="same", activation=act), layers.BatchNormalization(),
        pool((2, 2)), layers.Dropout(0.25),
        layers.Conv2D(many, (3, 3), padding="same", activation=act), layers.BatchNormalization(),
        layers.Conv2D(many, (3, 3), padding="same", activation=act), layers.BatchNormalization(),
        pool((2, 2), strides=(2, 2)), layers.Dropout(0.25),
        layers.Flatten(), layers.Dense(units, activation=act), layers.BatchNormalization(), layers.Dropout(0.5),
        layers.Dense(classes, activation="softmax"),
    ], **kwargs)  # fmt: skip


def small(seed=1, compiled=True, threads=1, **kwargs):
    """Everything that has state or randomness, in a few weights. One thread: there is nothing to share out."""
    model = Sequential([
        layers.Conv2D(3, 3, activation="relu", input_shape=(6, 6, 1)), layers.BatchNormalization(momentum=0.9),
        layers.MaxPooling2D(), layers.Dropout(0.3), layers.Flatten(), layers.Dense(3, activation="softmax"),
    ], seed=seed, threads=threads, **kwargs)  # fmt: skip
    if compiled:
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def toy(n=50, seed=0):
    """Images (n, 6, 6, 1) whose class is the brightest third of the rows, and class numbers (n,)."""
    rng = np.random.default_rng(seed)
    x, y = rng.random((n, 6, 6, 1), np.float32), rng.integers(0, 3, n)
    for image, label in zip(x, y, strict=True):
        image[2 * label : 2 * label + 2] += 0.7
    return x, y


def state(model):
    """Everything a step changes, as bytes and integers."""
    optimizer = model.optimizer
    slots = {name: getattr(optimizer.slot, name).tobytes() for name in optimizer.kept if optimizer.params}
    return (
        [w.tobytes() for w in model.get_weights()],
        slots,
        optimizer.iterations,
        model.streams.step,
        model.streams.epoch,
    )
