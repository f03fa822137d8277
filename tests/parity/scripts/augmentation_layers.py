import numpy as np
from tensorflow import keras
from tensorflow.keras import layers

rng = np.random.default_rng(11)
y = rng.integers(0, 2, 96)
x = rng.integers(0, 100, (96, 12, 12, 3)).astype("float32") + 120 * y[:, None, None, None]

data_augmentation = keras.Sequential([
    layers.RandomFlip("horizontal"), layers.RandomRotation(0.05), layers.RandomZoom(0.1), layers.RandomContrast(0.1),
])  # fmt: skip
inputs = keras.Input(shape=(12, 12, 3))
h = data_augmentation(inputs)
h = layers.Rescaling(1.0 / 255)(h)
h = layers.Conv2D(6, 3, activation="relu")(h)
h = layers.GlobalMaxPooling2D()(h)
model = keras.Model(inputs, layers.Dense(2, activation="softmax")(h))
model.compile(optimizer=keras.optimizers.Adam(0.01), loss=keras.losses.SparseCategoricalCrossentropy(), metrics=["accuracy"])
losses = model.fit(x, y, epochs=6, batch_size=16, verbose=0).history["loss"]
once, again = model.predict(x[:8], verbose=0), model.predict(x[:8], verbose=0)
np.testing.assert_array_equal(once, again)
