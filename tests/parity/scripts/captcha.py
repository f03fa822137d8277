import os
import random
import string
import tempfile

import numpy as np
from tensorflow.keras.callbacks import CSVLogger, EarlyStopping, ModelCheckpoint
from tensorflow.keras.layers import Activation, BatchNormalization, Conv2D, Dense, Flatten, Input, MaxPooling2D
from tensorflow.keras.models import Model
from tensorflow.keras.optimizers import Adam
from tensorflow.keras.utils import Sequence

characters = string.digits[:3]
width, height, n_len, n_class = 24, 12, 3, len(characters)


class CaptchaSequence(Sequence):
    def __init__(self, batch_size, steps):
        super().__init__()
        self.batch_size = batch_size
        self.steps = steps
        self.rng = np.random.RandomState(1)

    def __len__(self):
        return self.steps

    def __getitem__(self, idx):
        X = np.zeros((self.batch_size, height, width, 3), dtype=np.float32)
        y = [np.zeros((self.batch_size, n_class), dtype=np.uint8) for i in range(n_len)]
        for i in range(self.batch_size):
            random_str = "".join([random.choice(characters) for j in range(n_len)])
            X[i] = self.rng.rand(height, width, 3) / 4
            for j, ch in enumerate(random_str):
                X[i, characters.find(ch) * 4 : characters.find(ch) * 4 + 4, j * 8 : j * 8 + 8] += 0.7
                y[j][i, characters.find(ch)] = 1
        return X, tuple(y)


def decode(y):
    y = np.argmax(np.array(y), axis=2)[:, 0]
    return "".join([characters[x] for x in y])


random.seed(5)
input_tensor = Input((height, width, 3))
x = input_tensor
for i, n_cnn in enumerate([2, 1]):
    for j in range(n_cnn):
        x = Conv2D(8 * 2**i, kernel_size=3, padding="same", kernel_initializer="he_uniform")(x)
        x = BatchNormalization()(x)
        x = Activation("relu")(x)
    x = MaxPooling2D(2)(x)
x = Flatten()(x)
x = [Dense(n_class, activation="softmax", name=f"c{i + 1}")(x) for i in range(n_len)]
model = Model(inputs=input_tensor, outputs=x)
folder = tempfile.mkdtemp()
callbacks = [EarlyStopping(patience=10), CSVLogger(os.path.join(folder, "cnn.csv"), append=True),
             ModelCheckpoint(os.path.join(folder, "best.keras"), save_best_only=True)]  # fmt: skip
model.compile(loss="categorical_crossentropy", optimizer=Adam(1e-3, amsgrad=True), metrics=["accuracy"] * n_len)
history = model.fit(CaptchaSequence(16, 8), epochs=4, validation_data=CaptchaSequence(16, 2), callbacks=callbacks, verbose=0)
losses = history.history["loss"]
assert {"c1_accuracy", "c3_loss", "val_loss", "val_c2_accuracy"} <= set(history.history)
model.load_weights(os.path.join(folder, "best.keras"))
X, y = CaptchaSequence(1, 1)[0]
assert len(decode(model.predict(X, verbose=0))) == len(decode(y)) == n_len
with open(os.path.join(folder, "cnn.csv")) as file:
    assert len(file.readlines()) == 5
