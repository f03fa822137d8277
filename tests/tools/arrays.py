"""What another library's arrays have to do here, whichever it is."""

import numpy as np

import minicnn
from minicnn import layers as nn
from minicnn.labels import check_labels

X = np.random.default_rng(0).random((24, 6, 6, 2), np.float32)
Y = np.arange(24) % 3


def made():
    model = minicnn.Sequential([
        nn.Input((6, 6, 2)), nn.Conv2D(3, 3, name="conv"), nn.Flatten(), nn.Dense(3, activation="softmax", name="top"),
    ], seed=4)  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def takes(x, y, weights):
    """The model learns from and answers to arrays as if they were NumPy's."""
    ours, plain = made(), made()
    given = ours.fit(x, y, 8, 2, verbose=0, sample_weight=weights, validation_data=(x, y)).history
    assert given == plain.fit(X, Y, 8, 2, verbose=0, sample_weight=np.ones(24), validation_data=(X, Y)).history
    ours.fit(x, y, verbose=0, validation_split=0.25)
    plain.fit(X, Y, verbose=0, validation_split=0.25)
    assert ours.evaluate(x, y, verbose=0) == plain.evaluate(X, Y, verbose=0)
    assert ours.train_on_batch(x[:8], y[:8]) == plain.train_on_batch(X[:8], Y[:8])
    wanted = plain.predict(X, verbose=0)
    for found in (ours.predict(x, verbose=0), ours.predict_on_batch(x), ours.predict(iter([x[:9], x[9:]]), verbose=0)):
        np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(ours(x), plain(X))
    np.testing.assert_array_equal(minicnn.to_categorical(y), np.eye(3)[Y])
    np.testing.assert_array_equal(check_labels(y, 3), Y)
    assert len(minicnn.data.train_test_split(x, y, 0.25, 1, stratify=True)[0]) == 18
    metric = minicnn.metrics.get("sparse_categorical_accuracy")
    metric.update_state(y, x[:, 0, 0, :])  # classes 0 and 1 alone
    assert metric.result() == np.mean(X[:, 0, 0].argmax(-1) == Y)
