import os
import tempfile

import numpy as np
from tensorflow.keras.layers import Conv2D, Dense, Flatten, MaxPooling2D
from tensorflow.keras.models import Sequential, load_model

rng = np.random.default_rng(9)
y = rng.integers(0, 3, 96)
x = rng.normal(size=(96, 10, 10, 1)).astype("float32") + y[:, None, None, None] / 2

base = Sequential()
base.add(Conv2D(6, (3, 3), activation="relu", input_shape=(10, 10, 1)))
base.add(MaxPooling2D((2, 2)))
base.add(Flatten())
base.add(Dense(3, activation="softmax"))
base.compile(loss="sparse_categorical_crossentropy", optimizer="adam")
base.fit(x, y, epochs=2, batch_size=16, verbose=0)
path = os.path.join(tempfile.mkdtemp(), "base.h5")
base.save(path)

loaded = load_model(path)
np.testing.assert_allclose(loaded.predict(x[:8], verbose=0), base.predict(x[:8], verbose=0), atol=1e-6)
model = Sequential(name="transfer")
for layer in loaded.layers[:-1]:
    layer.trainable = False
    model.add(layer)
model.add(Dense(2, activation="softmax", name="head"))
before = [w.copy() for w in model.get_weights()[:2]]
model.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
losses = model.fit(x, y % 2, epochs=6, batch_size=16, verbose=0).history["loss"]
for old, new in zip(before, model.get_weights()[:2]):
    np.testing.assert_array_equal(old, new)
