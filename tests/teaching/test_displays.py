"""What a notebook shows of a model, a plan, a History, a trace, a cell, a gradcheck."""

from html.parser import HTMLParser

import numpy as np
import pytest

import minicnn
from minicnn import layers, teaching


class Closed(HTMLParser):
    """Tags that are open, and the text."""

    def __init__(self, source):
        super().__init__()
        self.open, self.text = [], []
        self.feed(source)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        assert not any(name in ("src", "href") for name, _ in attrs)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture
def model():
    built = minicnn.Sequential([
        layers.Input((5, 5, 1)), layers.Conv2D(2, 3, name="a<b"), layers.Flatten(),
        layers.Dense(3, activation="softmax"),
    ], seed=0, kernels="numpy_ref")  # fmt: skip
    built.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
    return built


def test_displays_are_tables_with_the_numbers(model, rng):
    x, y = rng.random((6, 5, 5, 1)), np.eye(3)[np.arange(6) % 3]
    history = model.fit(x, y, epochs=3, verbose=0)
    text = Closed(model._repr_html_()).text
    assert "a<b (Conv2D)" in text
    assert " Trainable params: 77 (308.00 B)" in text
    plan = model.plan(6)
    assert plan.total() in Closed(plan._repr_html_()).text
    shown = history._repr_html_()
    assert f"{history.history['loss'][-1]:.5g}" in Closed(shown).text
    assert shown.count("<svg") == len(history.history)
    assert Closed(minicnn.callbacks.History()._repr_html_()).text
    trace = model.trace(x[0], 1)
    assert "softmax_cross_entropy" in Closed(trace._repr_html_()).text
    assert "FORWARD  a<b[0, 0, 1]" in "".join(Closed(trace.cell("a<b", 0, 0, 1)._repr_html_()).text)
    assert "ok" in Closed(teaching.gradcheck(model)._repr_html_()).text


def test_statistics_of_layers(model, rng):
    x, y = rng.random((6, 5, 5, 1)), np.eye(3)[np.arange(6) % 3]
    watch, before = teaching.Statistics(x, y), model.get_weights()
    model.fit(x, y, epochs=1, callbacks=[watch], verbose=0)
    first, last = watch.epochs
    trace = model.trace(x, y, training=True)
    assert last["a<b"]["mean"] == pytest.approx(float(trace["a<b"].mean()))
    assert last["a<b"]["gradient"] == pytest.approx(float(np.sqrt(np.square(trace.gradients["a<b"]).mean())))
    old, new = (np.concatenate([w.ravel() for w in ws[:2]]) for ws in (before, model.get_weights()))
    assert last["a<b"]["update"] == pytest.approx(np.linalg.norm(new - old) / np.linalg.norm(old), rel=1e-4)
    assert "update" not in first["a<b"]
