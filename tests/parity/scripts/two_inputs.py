import numpy as np
from tensorflow.keras.layers import Concatenate, Conv2D, Dense, Flatten, Input
from tensorflow.keras.models import Model

rng = np.random.default_rng(7)
images, facts = rng.normal(size=(96, 8, 8, 1)).astype("float32"), rng.normal(size=(96, 3)).astype("float32")
target = (images.mean(axis=(1, 2)) * 4 + facts[:, :1]).astype("float32")

image_input = Input(shape=(8, 8, 1), name="image")
facts_input = Input(shape=(3,), name="facts")
a = Flatten()(Conv2D(4, 3, activation="relu")(image_input))
b = Dense(4, activation="relu")(facts_input)
out = Dense(1, name="price")(Dense(16, activation="relu")(Concatenate()([a, b])))
model = Model(inputs=[image_input, facts_input], outputs=out)
model.compile(optimizer="adam", loss="mean_squared_error")
losses = model.fit([images, facts], target, epochs=6, batch_size=16, verbose=0).history["loss"]
again = model.fit({"image": images, "facts": facts}, target, epochs=1, batch_size=16, verbose=0).history["loss"]
assert again[0] < losses[0]
assert model.predict([images[:5], facts[:5]], verbose=0).shape == (5, 1)
