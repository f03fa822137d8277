import numpy as np
from tensorflow.keras.layers import Conv2D, Conv2DTranspose, Input, MaxPooling2D, UpSampling2D
from tensorflow.keras.models import Model

rng = np.random.default_rng(2)
clean = np.zeros((96, 16, 16, 1), "float32")
for image, (i, j) in zip(clean, rng.integers(0, 12, (96, 2))):
    image[i : i + 4, j : j + 4] = 1
noisy = np.clip(clean + 0.3 * rng.normal(size=clean.shape), 0, 1).astype("float32")

input_img = Input(shape=(16, 16, 1))
x = Conv2D(8, (3, 3), activation="relu", padding="same")(input_img)
x = MaxPooling2D((2, 2), padding="same")(x)
x = Conv2D(8, (3, 3), activation="relu", padding="same")(x)
encoded = MaxPooling2D((2, 2), padding="same")(x)
x = Conv2DTranspose(8, 3, strides=2, activation="relu", padding="same")(encoded)
x = Conv2D(8, (3, 3), activation="relu", padding="same")(x)
x = UpSampling2D((2, 2))(x)
decoded = Conv2D(1, (3, 3), activation="sigmoid", padding="same")(x)

model = Model(input_img, decoded)
model.compile(optimizer="adam", loss="binary_crossentropy")
losses = model.fit(noisy, clean, epochs=5, batch_size=16, shuffle=True, verbose=0).history["loss"]
assert model.predict(noisy[:4], verbose=0).shape == (4, 16, 16, 1)
