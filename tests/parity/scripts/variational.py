import numpy as np
from tensorflow import keras
from tensorflow.keras import layers, ops


class Sampling(layers.Layer):
    """z = mean + exp(log_var / 2) epsilon, and the divergence as a loss."""

    def __init__(self, weight=0.05, **kwargs):
        super().__init__(**kwargs)
        self.weight = weight
        self.seed_generator = keras.random.SeedGenerator(1337)

    def call(self, inputs):
        z_mean, z_log_var = inputs
        kl = -0.5 * ops.sum(1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var), axis=-1)
        self.add_loss(self.weight * ops.mean(kl))
        epsilon = keras.random.normal(shape=ops.shape(z_mean), seed=self.seed_generator)
        return z_mean + ops.exp(0.5 * z_log_var) * epsilon

    def get_config(self):
        return {**super().get_config(), "weight": self.weight}


class VAE(keras.Model):
    def __init__(self, encoder, decoder, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.decoder = decoder

    def call(self, inputs):
        return self.decoder(self.encoder(inputs))


rng = np.random.default_rng(41)
x = np.zeros((96, 8, 8, 1), "float32")
for image, (i, j) in zip(x, rng.integers(0, 5, (96, 2))):
    image[i : i + 3, j : j + 3] = 1
latent_dim = 4
encoder_inputs = keras.Input(shape=(8, 8, 1))
h = layers.Conv2D(8, 3, activation="relu", strides=2, padding="same")(encoder_inputs)
h = layers.Flatten()(h)
h = layers.Dense(16, activation="relu")(h)
z_mean = layers.Dense(latent_dim, name="z_mean")(h)
z_log_var = layers.Dense(latent_dim, name="z_log_var")(h)
encoder = keras.Model(encoder_inputs, Sampling()([z_mean, z_log_var]), name="encoder")
means = keras.Model(encoder_inputs, [z_mean, z_log_var])
latent_inputs = keras.Input(shape=(latent_dim,))
h = layers.Dense(4 * 4 * 8, activation="relu")(latent_inputs)
h = layers.Reshape((4, 4, 8))(h)
h = layers.Conv2DTranspose(8, 3, activation="relu", strides=2, padding="same")(h)
decoder = keras.Model(latent_inputs, layers.Conv2DTranspose(1, 3, activation="sigmoid", padding="same")(h), name="decoder")
model = VAE(encoder, decoder)
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="binary_crossentropy")
losses = model.fit(x, x, epochs=6, batch_size=16, verbose=0).history["loss"]
assert means.predict(x[:5], verbose=0)[0].shape == (5, latent_dim)
assert decoder.predict(np.zeros((3, latent_dim)), verbose=0).shape == (3, 8, 8, 1)
