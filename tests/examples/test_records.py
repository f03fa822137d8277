"""Recipes that aim at accuracy: a rehearsal of each writes what it should; what a run would measure is not tested."""

import json

import numpy as np
import pytest

import minicnn
from minicnn.__main__ import main
from minicnn.io import submission
from minicnn.records import BY_NAME

SHORT = ["--epochs", "1", "--limit", "40", "--quiet"]


@pytest.mark.parametrize("name", BY_NAME)
def test_networks(name):
    """They are built for their images, are not the same for two seeds, and end in ten probabilities."""
    record = BY_NAME[name]
    models = [record.build(minicnn, seed, kernels="numpy_ref") for seed in (0, 1)]
    assert [model.name for model in models] == [f"{name}_0", f"{name}_1"]
    record.compile(minicnn, models[0], 100)
    assert models[0].optimizer.learning_rate == pytest.approx(record.max_lr / record.cycle.get("div_factor", 25))
    assert models[0].sample_out == (10,)
    assert any((a != b).any() for a, b in zip(models[0].get_weights(), models[1].get_weights(), strict=True))
    assert models[0].count_params() < 2_000_000


def test_cifar10_begins_whitened_and_as_the_identity(rng):
    """Whitened patches of correlated images have mean 0 and variance 1 in every direction, in both signs."""
    record = BY_NAME["cifar10"]
    model = record.build(minicnn, 0, kernels="numpy_ref")
    drawn = [layer.get_weights()[0].copy() for layer in model.layers if layer.name.startswith("conv")]
    mixed = rng.random((50, 32, 32, 3)) @ np.array([[1, 0.5, 0.5], [0, 0.5, 0.2], [0, 0, 0.1]])
    record.prepare(model, mixed.astype(np.float32))
    kernel, bias = model.get_layer("whitening").get_weights()
    corners = [mixed[:, p : p + 31, q : q + 31] for p in (0, 1) for q in (0, 1)]
    patches = np.concatenate(corners, axis=-1).reshape(-1, 12)
    out = patches @ kernel.reshape(12, 24) + bias
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(out[:, 12:], -out[:, :12], atol=1e-4)
    # a direction of variance v is divided by v + 5e-4 of the mean variance; the images' least is a 50th of it
    np.testing.assert_allclose(np.cov(out[:, :12].T), np.eye(12), atol=0.05)
    for layer, before in zip([one for one in model.layers if one.name.startswith("conv")], drawn, strict=True):
        (after,) = layer.get_weights()
        count = min(after.shape[2:])
        np.testing.assert_array_equal(after[1, 1, :count, :count], np.eye(count))
        assert after[..., :count].sum() == count
        np.testing.assert_array_equal(after[..., count:], before[..., count:])


@pytest.mark.slow
def test_two_seeds_and_their_ensemble(kaggle, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--recipe", "mnist_record", "--data", str(kaggle), "--seed", "3", "4", *SHORT]) == 0
    said = capsys.readouterr().out
    out = tmp_path / "runs" / "mnist_record"
    found = [json.loads((out / f"seed_{seed}" / "record.json").read_text()) for seed in (3, 4)]
    assert [one["seed"] for one in found] == [3, 4]
    assert not any(one["whole"] for one in found)
    assert "note      a rehearsal" in said
    assert f"mean      accuracy {np.mean([one['accuracy'] for one in found]):.4f}" in said
    assert json.loads((out / "ensemble.json").read_text())["seeds"] == [3, 4]
    submission.check(out / "submission.csv", rows=12)
    members = [minicnn.load_model(out / f"seed_{seed}" / "model.minicnn") for seed in (3, 4)]
    x = np.random.default_rng(0).random((5, 28, 28, 1), np.float32)
    mean = np.mean([model.predict(x, verbose=0) for model in members], axis=0)
    together = minicnn.load_model(out / "ensemble.minicnn")
    np.testing.assert_allclose(together.predict(x, verbose=0), mean, atol=1e-6)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["record", "mnist_record", "--data", "nowhere"], "nowhere"),
        (["record", "fashion", "--data", "nowhere"], "nowhere"),
        (["record", "cifar10", "--data", "nowhere"], "nowhere"),
        (["record", "cifar11"], "recipe: expected"),
        (["record", "fashion", "--seed", "1", "1"], "--seed: expected numbers from 0, each once"),
        (["record", "fashion", "--epochs", "0"], "--epochs: expected a number of at least 1"),
        (["train", "--recipe", "mnist_record", "--data", "nowhere"], "nowhere"),
        (["train", "--recipe", "mnist_rekord"], "--recipe: expected one of kaggle_bn, mnist_record"),
    ],
)
def test_without_files_or_with_bad_words_it_says_so(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_recipe_refuses_the_options_of_the_digits(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["train", "--recipe", "mnist_record", "--batch-size", "64"])
    assert ended.value.code == 2
    assert "unrecognized arguments: --batch-size 64" in capsys.readouterr().err
