import numpy as np
from tensorflow import keras
from tensorflow.keras import layers


class MCDropout(layers.Dropout):
    def call(self, inputs, training=False):
        return super().call(inputs, training=True)


def squeeze_excite(block, ratio=2):
    filters = block.shape[-1]
    se = layers.GlobalAveragePooling2D()(block)
    se = layers.Reshape((1, 1, filters))(se)
    se = layers.Dense(filters // ratio, activation="relu", kernel_initializer="he_normal", use_bias=False)(se)
    se = layers.Dense(filters, activation="sigmoid", kernel_initializer="he_normal", use_bias=False)(se)
    return layers.multiply([block, se])


def inverted_residual(x, expansion, filters, stride):
    y = layers.Conv2D(expansion * x.shape[-1], 1, padding="same", use_bias=False)(x)
    y = layers.BatchNormalization(epsilon=1e-3, momentum=0.99)(y)
    y = layers.ReLU(6.0)(y)
    if stride == 2:
        y = layers.ZeroPadding2D(((0, 1), (0, 1)))(y)
    y = layers.DepthwiseConv2D(3, strides=stride, padding="same" if stride == 1 else "valid", use_bias=False)(y)
    y = layers.BatchNormalization()(y)
    y = layers.ReLU(6.0)(y)
    y = layers.Conv2D(filters, 1, padding="same", use_bias=False)(squeeze_excite(y))
    return layers.Add()([x, y]) if stride == 1 and x.shape[-1] == filters else y


rng = np.random.default_rng(61)
y = rng.integers(0, 3, 96)
x = rng.normal(size=(96, 12, 12, 3)).astype("float32") + y[:, None, None, None] / 2
inputs = keras.Input((12, 12, 3))
h = layers.Conv2D(8, 3, padding="same", activation="swish")(inputs)
h = inverted_residual(h, 2, 8, 1)
h = inverted_residual(h, 2, 12, 2)
h = layers.Concatenate(axis=-1)([h, layers.SeparableConv2D(4, 3, padding="same", activation="gelu")(h)])
h = layers.GlobalAveragePooling2D()(h)
h = MCDropout(0.3)(h)
model = keras.Model(inputs, layers.Dense(3, activation="softmax")(h))
model.compile(optimizer=keras.optimizers.AdamW(0.01, weight_decay=1e-4),
              loss="sparse_categorical_crossentropy", metrics=["accuracy"])  # fmt: skip
losses = model.fit(x, y, batch_size=16, epochs=5, verbose=0).history["loss"]
draws = np.stack([model.predict(x[:12], verbose=0) for _ in range(6)])
assert draws.std(axis=0).mean() > 1e-3
assert np.allclose(draws.mean(axis=0).sum(axis=-1), 1, atol=1e-5)
maps = keras.Model(model.inputs, [layer.output for layer in model.layers[1:4]]).predict(x[:1], verbose=0)
assert maps[0].shape == (1, 12, 12, 8)
