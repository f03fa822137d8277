import numpy as np
from tensorflow import keras
from tensorflow.keras import layers

rng = np.random.default_rng(1)
y = rng.integers(0, 3, 120)
x = rng.normal(size=(120, 12, 12, 2)).astype("float32") + y[:, None, None, None] / 2


def resnet_block(x, filters, stride=1):
    shortcut = x
    y = layers.Conv2D(filters, 3, strides=stride, padding="same", use_bias=False)(x)
    y = layers.BatchNormalization()(y)
    y = layers.ReLU()(y)
    y = layers.Conv2D(filters, 3, padding="same", use_bias=False)(y)
    y = layers.BatchNormalization()(y)
    if stride != 1 or shortcut.shape[-1] != filters:
        shortcut = layers.Conv2D(filters, 1, strides=stride, use_bias=False)(shortcut)
        shortcut = layers.BatchNormalization()(shortcut)
    return layers.Activation("relu")(layers.add([y, shortcut]))


inputs = keras.Input(shape=(12, 12, 2))
h = layers.Conv2D(8, 3, padding="same")(inputs)
h = resnet_block(h, 8)
h = resnet_block(h, 16, stride=2)
h = layers.GlobalAveragePooling2D()(h)
outputs = layers.Dense(3, activation="softmax")(h)
model = keras.Model(inputs=inputs, outputs=outputs, name="resnet")
model.compile(optimizer=keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
              loss="sparse_categorical_crossentropy", metrics=["accuracy"])  # fmt: skip
losses = model.fit(x, y, batch_size=30, epochs=4, verbose=0).history["loss"]
