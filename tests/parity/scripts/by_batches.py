import numpy as np
from tensorflow.keras.layers import Conv2D, Dense, Dropout, Flatten
from tensorflow.keras.models import Sequential
from tensorflow.keras.optimizers import SGD

rng = np.random.default_rng(10)
y = rng.integers(0, 2, (128, 1)).astype("float32")
x = rng.normal(size=(128, 9, 9, 1)).astype("float32") + 2 * y[:, :, None, None]

model = Sequential()
model.add(Conv2D(4, (3, 3), activation="relu", input_shape=(9, 9, 1)))
model.add(Flatten())
model.add(Dropout(0.1))
model.add(Dense(1, activation="sigmoid"))
model.compile(loss="binary_crossentropy", optimizer=SGD(learning_rate=0.05), metrics=["accuracy"])

losses = []
for epoch in range(4):
    order = rng.permutation(len(x))
    found = []
    for start in range(0, len(x), 32):
        rows = order[start : start + 32]
        loss, accuracy = model.train_on_batch(x[rows], y[rows])
        found.append(float(loss))
    losses.append(np.mean(found))
    val_loss, val_accuracy = model.test_on_batch(x[:64], y[:64])
assert val_accuracy > 0.8
assert model.predict_on_batch(x[:7]).shape == (7, 1)
