import os
import tempfile

import numpy as np
from tensorflow import keras
from tensorflow.keras import layers, ops


class ResidualUnit(layers.Layer):
    def __init__(self, filters, strides=1, activation="relu", **kwargs):
        super().__init__(**kwargs)
        self.activation = keras.activations.get(activation)
        self.main_layers = [
            layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False), layers.BatchNormalization(),
            layers.Activation(activation), layers.Conv2D(filters, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
        ]  # fmt: skip
        self.skip_layers = []
        if strides > 1:
            self.skip_layers = [layers.Conv2D(filters, 1, strides=strides, padding="same", use_bias=False),
                                layers.BatchNormalization()]  # fmt: skip

    def call(self, inputs):
        z = inputs
        for layer in self.main_layers:
            z = layer(z)
        skip_z = inputs
        for layer in self.skip_layers:
            skip_z = layer(skip_z)
        return self.activation(z + skip_z)


class SmallResNet(keras.Model):
    def __init__(self, num_classes, **kwargs):
        super().__init__(**kwargs)
        self.stem = keras.Sequential([layers.Conv2D(8, 3, padding="same"), layers.ReLU()], name="stem")
        self.units = [ResidualUnit(12, strides=2)]
        self.pool = layers.GlobalAveragePooling2D()
        self.dropout = layers.Dropout(0.1)
        self.classifier = layers.Dense(num_classes)

    def call(self, inputs, training=False):
        x = self.stem(inputs)
        for unit in self.units:
            x = unit(x)
        x = self.pool(x)
        x = self.dropout(x, training=training)
        return self.classifier(x)


class TruePositivesOfClass(keras.metrics.Metric):
    def __init__(self, class_id, name="hits", **kwargs):
        super().__init__(name=name, **kwargs)
        self.class_id = class_id
        self.hits = self.add_weight(name="hits", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        predicted = ops.cast(ops.argmax(y_pred, axis=-1) == self.class_id, "float32")
        actual = ops.cast(ops.reshape(y_true, (-1,)) == self.class_id, "float32")
        self.hits.assign_add(ops.sum(predicted * actual))

    def result(self):
        return ops.convert_to_tensor(self.hits)

    def reset_state(self):
        self.hits.assign(0.0)


rng = np.random.default_rng(21)
y = rng.integers(0, 3, 96)
x = rng.normal(size=(96, 12, 12, 1)).astype("float32") + y[:, None, None, None]

model = SmallResNet(3)
model.compile(optimizer=keras.optimizers.Adam(0.01), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
              metrics=["accuracy", TruePositivesOfClass(2)])  # fmt: skip
history = model.fit(x, y, batch_size=16, epochs=5, validation_split=0.25, verbose=0)
losses = history.history["loss"]
assert set(history.history) == {p + n for p in ("", "val_") for n in ("loss", "accuracy", "hits")}
assert history.history["hits"][-1] == int(history.history["hits"][-1]) <= 72
model.summary(print_fn=lambda *args, **kwargs: None)
path = os.path.join(tempfile.mkdtemp(), "resnet.weights.h5")
model.save_weights(path)
again = SmallResNet(3)
again(x[:1])
again.load_weights(path)
np.testing.assert_allclose(again.predict(x[:8], verbose=0), model.predict(x[:8], verbose=0), atol=1e-5)
