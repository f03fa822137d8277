import json

import numpy as np
from sklearn.utils.class_weight import compute_class_weight
from tensorflow.keras.layers import Conv2D, Dense, Flatten, InputLayer, LeakyReLU, MaxPool2D, PReLU, Softmax
from tensorflow.keras.losses import CategoricalCrossentropy
from tensorflow.keras.metrics import AUC, CategoricalAccuracy, Precision, Recall
from tensorflow.keras.models import Sequential, model_from_json
from tensorflow.keras.utils import Sequence, to_categorical


class DataGenerator(Sequence):
    "Generates data for Keras"

    def __init__(self, list_IDs, labels, data, batch_size=16, dim=(12, 12), n_channels=1, n_classes=3, shuffle=True):
        super().__init__()
        self.dim = dim
        self.batch_size = batch_size
        self.labels = labels
        self.list_IDs = list_IDs
        self.n_channels = n_channels
        self.n_classes = n_classes
        self.shuffle = shuffle
        self.data = data
        self.on_epoch_end()

    def __len__(self):
        return int(np.floor(len(self.list_IDs) / self.batch_size))

    def __getitem__(self, index):
        indexes = self.indexes[index * self.batch_size:(index + 1) * self.batch_size]
        return self.__data_generation([self.list_IDs[k] for k in indexes])

    def on_epoch_end(self):
        self.indexes = np.arange(len(self.list_IDs))
        if self.shuffle == True:  # noqa: E712
            rng.shuffle(self.indexes)

    def __data_generation(self, list_IDs_temp):
        X = np.empty((self.batch_size, *self.dim, self.n_channels))
        y = np.empty((self.batch_size), dtype=int)
        for i, ID in enumerate(list_IDs_temp):
            X[i,] = self.data[ID]
            y[i] = self.labels[ID]
        return X, to_categorical(y, num_classes=self.n_classes)


rng = np.random.RandomState(4)
labels = rng.choice(3, 160, p=[0.5, 0.3, 0.2])
data = rng.rand(160, 12, 12, 1) + 2 * (labels[:, None, None, None] == np.arange(12)[None, :, None, None] // 4)
weights = compute_class_weight(class_weight="balanced", classes=np.unique(labels), y=labels)
train = DataGenerator(list(range(128)), labels, data)
val = DataGenerator(list(range(128, 160)), labels, data, shuffle=False)

model = Sequential()
model.add(InputLayer(shape=(12, 12, 1)))
model.add(Conv2D(8, 3, strides=(1, 1), padding="valid"))
model.add(LeakyReLU(0.1))
model.add(MaxPool2D())
model.add(Flatten())
model.add(Dense(16))
model.add(PReLU())
model.add(Dense(3))
model.add(Softmax())
model.compile(optimizer="nadam", loss=CategoricalCrossentropy(label_smoothing=0.1),
              metrics=[CategoricalAccuracy(name="acc"), Precision(name="precision"), Recall(name="recall"), AUC(name="auc")])
h = model.fit(x=train, validation_data=val, epochs=5, class_weight=dict(enumerate(weights)), verbose=0)
losses = h.history["loss"]
assert sorted(h.history) == sorted(p + n for p in ("", "val_") for n in ("loss", "acc", "precision", "recall", "auc"))
assert len(model.evaluate(val, verbose=0)) == 5
assert model.predict(val, verbose=0).shape == (32, 3)
json_string = model.to_json()
assert json.loads(json_string)["class_name"] == "Sequential"
again = model_from_json(json_string)
again.set_weights(model.get_weights())
assert np.allclose(again.predict(data[:5], verbose=0), model.predict(data[:5], verbose=0), atol=1e-6)
