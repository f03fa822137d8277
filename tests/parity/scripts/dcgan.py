import numpy as np
from sklearn.datasets import load_digits
from tensorflow.keras.layers import (
    BatchNormalization,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    Input,
    LeakyReLU,
    Reshape,
    UpSampling2D,
    ZeroPadding2D,
)  # fmt: skip
from tensorflow.keras.models import Model, Sequential
from tensorflow.keras.optimizers import Adam


class DCGAN:
    def __init__(self):
        self.latent_dim = 8
        self.discriminator = self.build_discriminator()
        self.discriminator.compile(loss="binary_crossentropy", optimizer=Adam(0.002, 0.5), metrics=["accuracy"])
        self.generator = self.build_generator()
        z = Input(shape=(self.latent_dim,))
        img = self.generator(z)
        self.discriminator.trainable = False
        valid = self.discriminator(img)
        self.combined = Model(z, valid)
        self.combined.compile(loss="binary_crossentropy", optimizer=Adam(0.002, 0.5))

    def build_generator(self):
        net = Sequential()
        net.add(Input((self.latent_dim,)))
        net.add(Dense(8 * 2 * 2, activation="relu"))
        net.add(Reshape((2, 2, 8)))
        net.add(UpSampling2D())
        net.add(Conv2D(8, kernel_size=3, padding="same", activation="relu"))
        net.add(BatchNormalization(momentum=0.8))
        net.add(Conv2DTranspose(1, (4, 4), strides=2, padding="same", activation="tanh"))
        noise = Input(shape=(self.latent_dim,))
        return Model(noise, net(noise), name="generator")

    def build_discriminator(self):
        net = Sequential()
        net.add(Input((8, 8, 1)))
        net.add(Conv2D(8, kernel_size=3, strides=2, padding="same"))
        net.add(LeakyReLU(0.2))
        net.add(Dropout(0.1))
        net.add(Conv2D(12, kernel_size=3, strides=2, padding="same"))
        net.add(ZeroPadding2D(padding=((0, 1), (0, 1))))
        net.add(LeakyReLU(0.2))
        net.add(Flatten())
        net.add(Dense(1, activation="sigmoid"))
        img = Input(shape=(8, 8, 1))
        return Model(img, net(img), name="discriminator")

    def train(self, images, steps, batch_size=32):
        valid, fake = np.ones((batch_size, 1)), np.zeros((batch_size, 1))
        found = []
        for _ in range(steps):
            imgs = images[rng.integers(0, len(images), batch_size)]
            noise = rng.normal(0, 1, (batch_size, self.latent_dim))
            gen_imgs = self.generator.predict(noise, verbose=0)
            self.discriminator.trainable = True
            d_loss_real = self.discriminator.train_on_batch(imgs, valid)
            d_loss_fake = self.discriminator.train_on_batch(gen_imgs, fake)
            self.discriminator.trainable = False
            before = self.discriminator.get_weights()
            self.combined.train_on_batch(noise, valid)
            for old, new in zip(before, self.discriminator.get_weights()):
                np.testing.assert_array_equal(old, new)
            found.append(0.5 * float(np.add(d_loss_real[0], d_loss_fake[0])))
        return found


rng = np.random.default_rng(3)
gan = DCGAN()
model = gan.combined
before = [w.copy() for w in gan.generator.get_weights()]
losses = gan.train(load_digits().images[..., None] / 8 - 1, 12)
assert any((old != new).any() for old, new in zip(before, gan.generator.get_weights()))
assert gan.generator.predict(np.zeros((2, 8)), verbose=0).shape == (2, 8, 8, 1)
