"""python -m tests.play.keras_files FOLDER: files as the real Keras writes them, and what it says itself.

Then every line of stdin, "FILE IMAGES.npy ANSWERS.npy", is answered by "done".
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import keras
import numpy as np
from keras import layers as L


def sequential():
    return keras.Sequential([
        L.Input((28, 28, 1)), L.Conv2D(6, 3, activation="relu", name="first"), L.BatchNormalization(),
        L.MaxPooling2D(), L.Conv2D(8, 3, padding="same", use_bias=False), L.LeakyReLU(), L.Dropout(0.25), L.Flatten(),
        L.Dense(16, activation="relu", kernel_regularizer="l2"), L.Dense(10, activation="softmax"),
    ])  # fmt: skip


def tall():
    return keras.Sequential([
        L.Input((20, 14, 3)), L.SeparableConv2D(5, 3, name="first"), L.AveragePooling2D(2), L.ELU(), L.Flatten(),
        L.Dense(4, activation="softmax")])  # fmt: skip


def branches():
    x = L.Input((28, 28, 1))
    near, far = (L.Conv2D(4, size, padding="same", activation="relu", name=name)(x)
                 for size, name in ((3, "first"), (5, "far")))  # fmt: skip
    y = L.Concatenate()([near, far])
    y = L.MaxPooling2D(4)(L.Add()([y, L.Conv2D(8, 1)(x)]))
    return keras.Model(x, L.Dense(10, activation="softmax")(L.Flatten()(y)))


FILES = {"sequential.keras": sequential, "tall.h5": tall, "branches.keras": branches, "branches.h5": branches}


def main(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for name, build in FILES.items():
        keras.utils.set_random_seed(3)
        model = build()
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(rng.random((8, *model.input_shape[1:])), np.arange(8) % model.output_shape[-1], verbose=0)
        model.save(folder / name)
    print("done", flush=True)
    for line in sys.stdin:
        file, images, answers = line.split()
        np.save(answers, keras.models.load_model(file).predict(np.load(images), verbose=0))
        print("done", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
