import math

import numpy as np
from tensorflow import keras
from tensorflow.keras import backend as K
from tensorflow.keras import layers, ops
from tensorflow.keras.callbacks import Callback, LambdaCallback, LearningRateScheduler

rng = np.random.default_rng(31)
y = rng.integers(0, 4, 128)
x = rng.normal(size=(128, 8, 8, 1)).astype("float32") + y[:, None, None, None] / 2
y = keras.utils.to_categorical(y)


class WarmUpCosine(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, base, total_steps, warmup_steps):
        super().__init__()
        self.base, self.total_steps, self.warmup_steps = base, total_steps, warmup_steps

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rate = 0.5 * self.base * (1 + ops.cos(math.pi * (step - self.warmup_steps) / (self.total_steps - self.warmup_steps)))
        return ops.where(step < self.warmup_steps, self.base * step / self.warmup_steps, rate)

    def get_config(self):
        return {"base": self.base, "total_steps": self.total_steps, "warmup_steps": self.warmup_steps}


class CyclicLR(Callback):
    def __init__(self, base_lr, max_lr, step_size):
        super().__init__()
        self.base_lr, self.max_lr, self.step_size, self.iterations, self.rates = base_lr, max_lr, step_size, 0, []

    def clr(self):
        cycle = np.floor(1 + self.iterations / (2 * self.step_size))
        x = np.abs(self.iterations / self.step_size - 2 * cycle + 1)
        return self.base_lr + (self.max_lr - self.base_lr) * np.maximum(0, (1 - x))

    def on_train_begin(self, logs=None):
        self.model.optimizer.learning_rate.assign(self.clr())

    def on_train_batch_end(self, batch, logs=None):
        self.rates.append(float(np.asarray(self.model.optimizer.learning_rate)))
        self.iterations += 1
        self.model.optimizer.learning_rate.assign(self.clr())


class LRFinder(Callback):
    def __init__(self, factor):
        super().__init__()
        self.factor, self.rates, self.losses = factor, [], []

    def on_batch_end(self, batch, logs=None):
        rate = float(np.asarray(self.model.optimizer.learning_rate))
        self.rates.append(rate)
        self.losses.append(logs["loss"])
        if batch > 3 and (math.isnan(logs["loss"]) or logs["loss"] > 4 * min(self.losses)):
            self.model.stop_training = True
        self.model.optimizer.learning_rate = rate * self.factor


def build():
    return keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(6, 3, activation="relu"), layers.MaxPooling2D(),
                             layers.Flatten(), layers.Dense(4, activation="softmax")])  # fmt: skip


schedule = WarmUpCosine(0.05, 32, 4)
rates = [float(np.asarray(schedule(step))) for step in (0, 2, 4, 18, 32)]
np.testing.assert_allclose(rates, [0, 0.025, 0.05, 0.025, 0], atol=1e-6)
model = build()
start = model.get_weights()
model.compile(keras.optimizers.SGD(0.001), "categorical_crossentropy")
finder, epochs_begun = LRFinder(1.5), []
begun = LambdaCallback(on_epoch_begin=lambda epoch, logs: epochs_begun.append(epoch))
model.fit(x, y, batch_size=8, callbacks=[finder, begun], verbose=0)
assert epochs_begun == [0]
np.testing.assert_allclose(finder.rates[:4], 0.001 * 1.5 ** np.arange(4), rtol=1e-5)
model.set_weights(start)
cyclic = CyclicLR(0.001, 0.021, 4)
model.compile(keras.optimizers.SGD(0.001, momentum=0.9), "categorical_crossentropy")
model.fit(x, y, batch_size=16, epochs=2, callbacks=[cyclic], verbose=0)
np.testing.assert_allclose(cyclic.rates[:9], 0.001 + 0.005 * np.array([0, 1, 2, 3, 4, 3, 2, 1, 0]), rtol=1e-5)
model.set_weights(start)
model.compile(keras.optimizers.SGD(0.01), "categorical_crossentropy")
step_decay = LearningRateScheduler(lambda epoch: 0.01 * math.pow(0.5, math.floor((1 + epoch) / 2)))
found = model.fit(x, y, epochs=3, callbacks=[step_decay], verbose=0).history
np.testing.assert_allclose(found["learning_rate"], [0.01, 0.005, 0.005], rtol=1e-6)
model.set_weights(start)
model.compile(keras.optimizers.SGD(schedule, momentum=0.9), "categorical_crossentropy", metrics=["accuracy"])
losses = model.fit(x, y, batch_size=16, epochs=4, verbose=0).history["loss"]
assert int(np.asarray(model.optimizer.iterations)) == 32
assert K.epsilon() == 1e-7
