"""Several models as one, and one model on several copies of an image."""

import numpy as np
import pytest

import minicnn
from minicnn import layers
from minicnn.errors import MinicnnError

from .networks import small, toy


@pytest.fixture(scope="module")
def members():
    models = [small(seed=seed) for seed in (1, 2, 3)]
    x, y = toy(24)
    for number, model in enumerate(models):
        model.name = f"member_{number}"
        model.fit(x, y, verbose=0)
    return models


def test_the_mean_of_what_models_say(members, tmp_path):
    x, y = toy(24)
    one = minicnn.ensemble(members, name="all_three")
    mean = np.mean([model.predict(x, verbose=0) for model in members], axis=0)
    np.testing.assert_allclose(one.predict(x, verbose=0), mean, atol=1e-6)
    loss, accuracy = one.evaluate(x, y, verbose=0)
    assert accuracy == pytest.approx((mean.argmax(axis=1) == y).mean())
    assert loss == pytest.approx(-np.log(mean[np.arange(24), y]).mean(), rel=1e-5)
    one.save(tmp_path / "one.minicnn")
    loaded = minicnn.load_model(tmp_path / "one.minicnn")
    assert loaded.name == "all_three"
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), one.predict(x, verbose=0))
    assert loaded.evaluate(x, y, verbose=0) == [loss, accuracy]


def test_it_follows_its_members(members):
    one, x = minicnn.ensemble(members[:2]), toy(8)[0]
    before = one.predict(x, verbose=0)
    kept = members[0].get_weights()
    members[0].set_weights([w * 2 for w in kept])
    assert (one.predict(x, verbose=0) != before).any()
    members[0].set_weights(kept)
    np.testing.assert_array_equal(one.predict(x, verbose=0), before)


def test_models_that_do_not_go_together(members):
    other = minicnn.Sequential([layers.Input((5, 5, 1)), layers.Flatten(), layers.Dense(3)], name="other")
    for models, message in (
        (members[:1], "at least two models"),
        ([*members, other], r"expected \(6, 6, 1\) -> \(3,\), as the first model's, received \(5, 5, 1\)"),
        ([members[0], members[0]], "names of their own, received member_0 twice"),
        ([members[0], minicnn.Sequential([layers.Dense(3)], name="bare")], "built models, received bare"),
    ):
        with pytest.raises(MinicnnError, match=message):
            minicnn.ensemble(models)


def test_the_mean_over_an_images_copies(members):
    model, x = members[0], toy(8)[0]

    def moved(down, right):
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
        return padded[:, 1 - down : 7 - down, 1 - right : 7 - right]

    def mean(copies):
        return np.mean([model.predict(copy, verbose=0) for copy in copies], axis=0)

    shifts = [moved(*by) for by in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))]
    for how, copies in (
        ("shifts", shifts), ("flips", [x, x[:, :, ::-1]]),
        ("shifts+flips", [*shifts, *(one[:, :, ::-1] for one in shifts)]),
    ):  # fmt: skip
        np.testing.assert_allclose(model.predict(x, verbose=0, tta=how), mean(copies), atol=1e-6)
    assert model.predict(x, verbose=0, tta="shifts").dtype == np.float32
    with pytest.raises(MinicnnError, match=r"with tta='shifts': expected an array of images \(N, H, W, C\)"):
        model.predict(iter([x]), steps=1, tta="shifts")
