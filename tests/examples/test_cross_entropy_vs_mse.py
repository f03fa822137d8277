"""The comparison is fair, its gradients are those of its formulas, and it runs without MNIST."""

import numpy as np
import pytest

import minicnn


@pytest.fixture(scope="module")
def example(examples):
    return examples("cross_entropy_vs_mse")


def test_it_runs_on_the_embedded_digits(example, tmp_path, capsys):
    histories = example.main(["--epochs", "2", "--limit", "640"])
    first, _, one, other, _, last = capsys.readouterr().out.splitlines()
    assert first == "valid_conv on embedded digits: 640 training, 180 test images, seed 0"
    assert one.split()[0] == "cross-entropy"
    assert other.split()[:2] == ["squared", "error"]
    assert all(len(values["val_accuracy"]) == 2 for values in histories.values())
    picture = tmp_path / "runs" / "cross_entropy_vs_mse.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert last == "picture in runs/cross_entropy_vs_mse.png"


def test_the_gradients_are_those_of_the_formulas(example):
    gap = np.linspace(-8, 8, 9)
    p = 1 / (1 + np.exp(gap))  # of the true class
    found = example.gradients(gap)
    np.testing.assert_allclose(found["cross-entropy"], 1 - p, rtol=1e-6)
    np.testing.assert_allclose(found["squared error"], 2 * p * (1 - p) ** 2, rtol=1e-6)


def test_both_start_from_equal_weights_and_see_equal_batches(example, monkeypatch):
    starts, orders = [], []
    fit = minicnn.Sequential.fit

    def spy(model, x, y, *args, **options):
        starts.append([weights.tobytes() for weights in model.get_weights()])
        orders.append((model.streams.seed, model.streams.step, model.streams.epoch, x.tobytes(), args))
        return fit(model, x, y, *args, **options)

    monkeypatch.setattr(minicnn.Sequential, "fit", spy)
    _, *data = example.load(64)
    for loss in example.LOSSES.values():
        example.train(loss, data, epochs=1, seed=3)
    assert starts[0] == starts[1]
    assert orders[0] == orders[1]


def test_bad_input_is_an_error_of_ours(example):
    with pytest.raises(minicnn.errors.ArgumentError, match="fit: epochs: expected a whole number of at least 1"):
        example.main(["--epochs", "0"])


def test_a_picture_without_a_format_is_refused_before_the_training(example, monkeypatch):
    monkeypatch.setattr(minicnn.Sequential, "fit", None)
    with pytest.raises(minicnn.errors.ArgumentError, match=r"path here: suffix: expected one of .png, .svg"):
        example.main(["--out", "here"])
