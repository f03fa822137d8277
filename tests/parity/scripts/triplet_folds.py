import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, confusion_matrix
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from tensorflow.keras import ops
from tensorflow.keras.callbacks import EarlyStopping
from tensorflow.keras.layers import Concatenate, Conv2D, Dense, Flatten, Input, Lambda
from tensorflow.keras.models import Model, Sequential, clone_model

digits = load_digits(n_class=4)
X, y = digits.images[:240, ..., None].astype("float32") / 16, digits.target[:240]

embedding = Sequential([Input((8, 8, 1)), Conv2D(6, 3, activation="relu"), Flatten(), Dense(6),
                        Lambda(lambda t: t / ops.sqrt(ops.sum(ops.square(t), axis=1, keepdims=True) + 1e-9),
                               output_shape=(6,))], name="embedding")  # fmt: skip
anchor, positive, negative = Input((8, 8, 1), name="anchor"), Input((8, 8, 1), name="positive"), Input((8, 8, 1), name="negative")
merged = Concatenate(axis=-1, name="merged_layer")([embedding(anchor), embedding(positive), embedding(negative)])


def triplet_loss(y_true, y_pred, alpha=0.4):
    third = y_pred.shape[-1] // 3
    anchor, positive, negative = y_pred[:, :third], y_pred[:, third : 2 * third], y_pred[:, 2 * third :]
    pos_dist = ops.sum(ops.square(anchor - positive), axis=1)
    neg_dist = ops.sum(ops.square(anchor - negative), axis=1)
    return ops.maximum(pos_dist - neg_dist + alpha, 0.0)


rng = np.random.default_rng(51)
same = np.array([rng.choice(np.flatnonzero(y == k)) for k in y])
other = np.array([rng.choice(np.flatnonzero(y != k)) for k in y])
model = Model(inputs=[anchor, positive, negative], outputs=merged)
model.compile(loss=triplet_loss, optimizer="adam")
losses = model.fit([X, X[same], X[other]], np.zeros((len(X), 18)), batch_size=24, epochs=5, verbose=0).history["loss"]
codes = embedding.predict(X, verbose=0)
nearest = KNeighborsClassifier(3).fit(codes[:160], y[:160]).predict(codes[160:])
assert accuracy_score(y[160:], nearest) > 0.7

base = Sequential([Input((8, 8, 1)), Conv2D(6, 3, activation="relu"), Flatten(), Dense(4, activation="softmax")])
start, scores = base.get_weights(), []
for train, test in StratifiedKFold(n_splits=3, shuffle=True, random_state=0).split(X, y):
    fold = clone_model(base)
    fold.set_weights(start)
    fold.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    stop = EarlyStopping(monitor="val_loss", patience=2, restore_best_weights=True)
    fold.fit(X[train], y[train], epochs=4, batch_size=16, validation_data=(X[test], y[test]), callbacks=[stop],
             class_weight={0: 1.0, 1: 1.5, 2: 1.0, 3: 1.0}, verbose=0)  # fmt: skip
    scores.append(fold.evaluate(X[test], y[test], verbose=0)[1])
    matrix = confusion_matrix(y[test], fold.predict(X[test], verbose=0).argmax(axis=1), labels=range(4))
    assert matrix.sum() == len(test)
assert min(scores) > 0.5
