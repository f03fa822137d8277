import numpy as np
from tensorflow.keras import Sequential, metrics
from tensorflow.keras.layers import AveragePooling2D, Conv2D, Dense, Flatten

rng = np.random.default_rng(5)
y = (rng.random((128, 4)) < 0.5).astype("float32")
x = rng.normal(0, 0.5, (128, 8, 8, 4)).astype("float32") + y[:, None, None, :]

model = Sequential([Conv2D(8, 3, activation="relu", input_shape=(8, 8, 4)), AveragePooling2D(2), Flatten(),
                    Dense(4, activation="sigmoid")])  # fmt: skip
model.compile(optimizer="adam", loss="binary_crossentropy",
              metrics=["binary_accuracy", metrics.AUC(name="auc", multi_label=True), metrics.Precision(name="precision")])
history = model.fit(x, y, epochs=5, batch_size=16, verbose=0, validation_split=0.25)
losses = history.history["loss"]
assert history.history["auc"][-1] > history.history["auc"][0]
assert set(history.history) == {f"{split}{name}" for split in ("", "val_")
                                for name in ("loss", "binary_accuracy", "auc", "precision")}  # fmt: skip
