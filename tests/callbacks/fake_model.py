"""The little of a model that callbacks touch, and a loop that plays given logs through callbacks."""

from types import SimpleNamespace

from minicnn.callbacks import CallbackList


class FakeModel:
    """Weights are [epoch]: what get_weights kept tells which epoch it was called in."""

    def __init__(self, learning_rate=1.0, directions=None):
        self.optimizer = SimpleNamespace(learning_rate=learning_rate)
        self.stop_training = False
        self.directions = {"accuracy": "max"} if directions is None else directions
        self.metrics_names = ["loss", *self.directions]
        self.weights = [None]
        self.saved = []

    def metric_direction(self, name):
        return self.directions.get(name)

    def get_weights(self):
        return list(self.weights)

    def set_weights(self, weights):
        self.weights = list(weights)

    def save(self, path):
        self.saved.append(("model", str(path)))

    def save_weights(self, path):
        self.saved.append(("weights", str(path)))


def play(callbacks, epochs, model=None, on_epoch=None, **params):
    """Run on_train_begin, then for each logs dict of `epochs` begin and end, then on_train_end; return the model."""
    model = FakeModel() if model is None else model
    model.stop_training = False
    listed = CallbackList(callbacks, model, {"verbose": 0, "epochs": len(epochs), "steps": 1} | params)
    listed.on_train_begin()
    for epoch, logs in enumerate(epochs):
        listed.on_epoch_begin(epoch)
        model.weights = [epoch]
        listed.on_epoch_end(epoch, dict(logs))
        if on_epoch:
            on_epoch(epoch)
        if model.stop_training:
            break
    listed.on_train_end()
    return model


def losses(*values, name="val_loss"):
    return [{name: value} for value in values]
