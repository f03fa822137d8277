import os
import tempfile

import numpy as np
from PIL import Image
from tensorflow.keras.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from tensorflow.keras.models import Sequential
from tensorflow.keras.preprocessing.image import ImageDataGenerator

folder = tempfile.mkdtemp()
rng = np.random.default_rng(3)
for split, count in (("train", 24), ("validation", 8)):
    for kind, base in (("cats", 70), ("dogs", 150)):
        os.makedirs(os.path.join(folder, split, kind))
        for n in range(count):
            pixels = np.clip(rng.normal(base, 40, (24, 20, 3)), 0, 255).astype("uint8")
            Image.fromarray(pixels).save(os.path.join(folder, split, kind, f"{n}.png"))

train_datagen = ImageDataGenerator(rescale=1.0 / 255, horizontal_flip=True)
test_datagen = ImageDataGenerator(rescale=1.0 / 255)
train_generator = train_datagen.flow_from_directory(os.path.join(folder, "train"), target_size=(16, 16), batch_size=12,
                                                    class_mode="binary", seed=1)  # fmt: skip
validation_generator = test_datagen.flow_from_directory(os.path.join(folder, "validation"), target_size=(16, 16),
                                                        batch_size=8, class_mode="binary")  # fmt: skip
assert train_generator.class_indices == {"cats": 0, "dogs": 1}

model = Sequential([
    Conv2D(8, (3, 3), activation="relu", input_shape=(16, 16, 3)), MaxPooling2D(2, 2), Flatten(), Dropout(0.2),
    Dense(16, activation="relu"), Dense(1, activation="sigmoid"),
])  # fmt: skip
model.compile(loss="binary_crossentropy", optimizer="rmsprop", metrics=["accuracy"])
history = model.fit(train_generator, steps_per_epoch=4, epochs=5, validation_data=validation_generator,
                    validation_steps=2, verbose=0)  # fmt: skip
losses = history.history["loss"]
