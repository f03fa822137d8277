import numpy as np
from tensorflow import keras
from tensorflow.keras import layers

rng = np.random.default_rng(8)
y = rng.integers(0, 2, 80)
x = rng.normal(size=(80, 10, 10, 1)).astype("float32") + y[:, None, None, None]

model = keras.Sequential([
    keras.Input(shape=(10, 10, 1)), layers.Conv2D(6, 3, activation="relu", name="first"), layers.MaxPooling2D(),
    layers.Flatten(), layers.Dense(8, activation="relu", name="features"), layers.Dense(2, activation="softmax"),
])  # fmt: skip
model.compile("adam", "sparse_categorical_crossentropy")
losses = model.fit(x, y, epochs=5, batch_size=16, verbose=0).history["loss"]

extractor = keras.Model(inputs=model.inputs, outputs=model.get_layer("features").output)
found = extractor.predict(x, verbose=0)
assert found.shape == (80, 8)
several = keras.Model(model.inputs, [layer.output for layer in model.layers[:2]])
maps = several.predict(x[:3], verbose=0)
assert [m.shape for m in maps] == [(3, 8, 8, 6), (3, 4, 4, 6)]
centres = np.stack([found[y == k].mean(axis=0) for k in (0, 1)])
nearest = ((found[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
assert (nearest == y).mean() > 0.8
