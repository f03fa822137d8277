import random

import numpy as np
from tensorflow.keras import ops
from tensorflow.keras.layers import Dense, Dropout, Flatten, Input, Lambda
from tensorflow.keras.models import Model
from tensorflow.keras.optimizers import RMSprop

num_classes = 4


def euclidean_distance(vects):
    x, y = vects
    sum_square = ops.sum(ops.square(x - y), axis=1, keepdims=True)
    return ops.sqrt(ops.maximum(sum_square, 1e-7))


def contrastive_loss(y_true, y_pred):
    margin = 1
    return ops.mean(y_true * ops.square(y_pred) + (1 - y_true) * ops.square(ops.maximum(margin - y_pred, 0)))


def create_pairs(x, digit_indices):
    pairs, labels = [], []
    n = min(len(one) for one in digit_indices) - 1
    for d in range(num_classes):
        for i in range(n):
            pairs += [[x[digit_indices[d][i]], x[digit_indices[d][i + 1]]]]
            other = (d + random.randrange(1, num_classes)) % num_classes
            pairs += [[x[digit_indices[d][i]], x[digit_indices[other][i]]]]
            labels += [1, 0]
    return np.array(pairs), np.array(labels).astype("float32")


rng = np.random.RandomState(0)
y_train = rng.randint(0, num_classes, 120)
x_train = rng.rand(120, 10, 10).astype("float32")
x_train[np.arange(120), y_train * 2] += 2
tr_pairs, tr_y = create_pairs(x_train, [np.where(y_train == i)[0] for i in range(num_classes)])

image = Input(shape=(10, 10))
base_network = Model(image, Dense(16, activation="relu")(Dropout(0.1)(Dense(32, activation="relu")(Flatten()(image)))))
input_a, input_b = Input(shape=(10, 10)), Input(shape=(10, 10))
distance = Lambda(euclidean_distance, output_shape=(1,))([base_network(input_a), base_network(input_b)])
model = Model([input_a, input_b], distance)
model.compile(loss=contrastive_loss, optimizer=RMSprop())
losses = model.fit([tr_pairs[:, 0], tr_pairs[:, 1]], tr_y, batch_size=16, epochs=6, verbose=0).history["loss"]
pred = model.predict([tr_pairs[:, 0], tr_pairs[:, 1]], verbose=0).ravel() < 0.5
assert np.mean(pred == tr_y) > 0.8
