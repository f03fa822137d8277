import numpy as np
from tensorflow.keras import regularizers
from tensorflow.keras.callbacks import LearningRateScheduler
from tensorflow.keras.layers import Activation, BatchNormalization, Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from tensorflow.keras.models import Sequential
from tensorflow.keras.optimizers import Adam
from tensorflow.keras.utils import to_categorical

rng = np.random.default_rng(0)
labels = rng.integers(0, 4, 160)
x_train = rng.random((160, 16, 16, 3)).astype("float32")
x_train[np.arange(160), :8, :8, labels % 3] += 1 + labels[:, None, None] // 3
x_train = (x_train - x_train.mean()) / (x_train.std() + 1e-7)
y_train = to_categorical(labels, 4)

weight_decay = 1e-4
model = Sequential()
for block, filters in enumerate((8, 16)):
    shape = {"input_shape": x_train.shape[1:]} if block == 0 else {}
    model.add(Conv2D(filters, (3, 3), padding="same", kernel_regularizer=regularizers.l2(weight_decay), **shape))
    model.add(Activation("elu"))
    model.add(BatchNormalization())
    model.add(Conv2D(filters, (3, 3), padding="same", kernel_regularizer=regularizers.l2(weight_decay)))
    model.add(Activation("elu"))
    model.add(BatchNormalization())
    model.add(MaxPooling2D(pool_size=(2, 2)))
    model.add(Dropout(0.1 + 0.1 * block))
model.add(Flatten())
model.add(Dense(4, activation="softmax"))


def lr_schedule(epoch):
    return 0.003 if epoch < 2 else 0.001


model.compile(loss="categorical_crossentropy", optimizer=Adam(learning_rate=0.003), metrics=["accuracy"])
history = model.fit(x_train, y_train, batch_size=32, epochs=4, verbose=0, validation_data=(x_train, y_train),
                    callbacks=[LearningRateScheduler(lr_schedule)])  # fmt: skip
losses = history.history["loss"]
