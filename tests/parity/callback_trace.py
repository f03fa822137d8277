"""Plays a sequence of logs through one callback of either library, on a real compiled model of that library."""

import numpy as np


def model_of(lib, learning_rate):
    """One dense weight without bias, compiled with accuracy, trained once so that Keras knows its metrics."""
    model = lib.Sequential([lib.Input((1,)), lib.layers.Dense(1, use_bias=False)])
    model.compile(lib.optimizers.SGD(learning_rate), loss="mse", metrics=["accuracy"])
    model.fit(np.zeros((2, 1)), np.zeros((2, 1)), verbose=0)
    return model


def play(lib, name, options, epochs, learning_rate):
    """One row per epoch until it stops: [lr, wait, cooldown, best, stop, lr in logs]; then the last weight.

    The weight is the epoch's number during the epoch: after restoring, it tells which epoch's was kept.
    """
    model = model_of(lib, learning_rate)
    callback = getattr(lib.callbacks, name)(**options)
    callback.set_model(model)
    callback.set_params({"epochs": len(epochs), "steps": 1, "verbose": 0})
    model.stop_training = False
    callback.on_train_begin()
    rows = []
    for epoch, logs in enumerate(epochs):
        model.set_weights([np.full((1, 1), float(epoch))])
        callback.on_epoch_begin(epoch)
        callback.on_epoch_end(epoch, logs)
        best = None if callback.best is None else float(callback.best)
        rows.append([float(np.asarray(model.optimizer.learning_rate)), callback.wait,
                     getattr(callback, "cooldown_counter", 0), best, bool(model.stop_training),
                     logs.get("learning_rate", 0.0)])  # fmt: skip
        if model.stop_training:
            break
    callback.on_train_end()
    weight = float(model.get_weights()[0].item())
    return {"rows": rows, "weight": weight, "best_epoch": getattr(callback, "best_epoch", 0)}
