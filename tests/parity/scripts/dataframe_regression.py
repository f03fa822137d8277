import os
import tempfile

import numpy as np
import pandas as pd
from PIL import Image
from tensorflow.keras import layers, models
from tensorflow.keras.preprocessing.image import ImageDataGenerator

folder = tempfile.mkdtemp()
rng = np.random.default_rng(4)
rows = []
for n in range(48):
    brightness = float(rng.random())
    pixels = np.full((12, 12, 3), 255 * brightness) + rng.normal(0, 5, (12, 12, 3))
    Image.fromarray(np.clip(pixels, 0, 255).astype("uint8")).save(os.path.join(folder, f"{n}.png"))
    rows.append({"filename": f"{n}.png", "brightness": brightness})
frame = pd.DataFrame(rows)

generator = ImageDataGenerator(rescale=1 / 255, validation_split=0.25)
given = {"x_col": "filename", "y_col": "brightness", "target_size": (12, 12), "class_mode": "raw", "batch_size": 12}
train = generator.flow_from_dataframe(frame, folder, subset="training", seed=0, **given)
held_out = generator.flow_from_dataframe(frame, folder, subset="validation", seed=0, **given)

model = models.Sequential()
model.add(layers.Conv2D(4, 3, activation="relu", input_shape=(12, 12, 3)))
model.add(layers.GlobalAveragePooling2D())
model.add(layers.Dense(8, activation="tanh"))
model.add(layers.Dense(1))
model.compile(optimizer="adam", loss="mse", metrics=["mae"])
losses = model.fit(train, validation_data=held_out, epochs=6, verbose=0).history["loss"]
