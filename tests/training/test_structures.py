"""Inputs and outputs in dicts, tuples and structures of them: calls, fit, predict, files, models within models."""

import numpy as np
import pytest

import minicnn as mc
from minicnn import errors, structure
from minicnn.layers import Add, Dense, Flatten

X = {"b": np.ones((4, 3), "float32"), "a": np.full((4, 2), 2, "float32")}


def two_in_two_out(outputs):
    a, b = mc.Input((2,), name="one"), mc.Input((3,), name="two")
    y = Add()([Dense(2, name="left")(a), Dense(2, name="right")(b)])
    y, z = Dense(2, name="y")(y), Dense(1, name="z")(y)
    return mc.Model({"b": b, "a": a}, outputs(y, z), name="net", seed=1)


OUTPUTS = {
    "dict": lambda y, z: {"y": y, "x": z},
    "tuple": lambda y, z: (y, z),
    "list": lambda y, z: [y, z],
    "nested": lambda y, z: {"two": (y, {"deep": z}), "again": z},
    "one": lambda y, z: {"only": y},
}


@pytest.mark.parametrize("kind", OUTPUTS)
@pytest.mark.parametrize("suffix", [".minicnn", ".keras"])
def test_answers_come_in_the_structure_of_the_outputs(kind, suffix, tmp_path):
    if suffix == ".keras":
        pytest.importorskip("h5py")
    model = two_in_two_out(OUTPUTS[kind])
    found, called = model.predict(X, verbose=0), model(X)
    assert structure.template_of(found) == structure.template_of(model.output) == model._templates[1]
    for p, q in zip(structure.flat(found), structure.flat(called), strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-6)
    model.save(str(tmp_path / f"m{suffix}"))
    again = mc.load_model(str(tmp_path / f"m{suffix}"))
    assert again.input_names == model.input_names == ["a", "b"]
    assert again.output_names == model.output_names
    loaded = again.predict(X, verbose=0)
    assert type(loaded) is (list if kind == "tuple" and suffix == ".keras" else type(found))  # JSON has no tuples
    for p, q in zip(structure.flat(found), structure.flat(loaded), strict=True):
        assert np.array_equal(p, q)


def test_fit_takes_them_by_name():
    model = two_in_two_out(OUTPUTS["nested"])
    assert model.output_names == ["again", "two/y", "two/deep"]
    y, z = np.zeros((4, 2)), np.zeros((4, 1))
    model.compile("sgd", {"again": "mse", "two/y": "mae", "two/deep": "mse"}, metrics={"two/y": ["mse"]})
    nested = model.fit(X, {"two": (y, {"deep": z}), "again": z}, verbose=0, shuffle=False).history
    other = two_in_two_out(OUTPUTS["nested"])
    other.compile("sgd", ["mse", "mae", "mse"], metrics=[[], ["mse"], []])
    assert other.fit(X, [z, y, z], verbose=0, shuffle=False).history == nested
    assert sorted(nested) == ["again_loss", "loss", "two/deep_loss", "two/y_loss", "two/y_mse"]


def test_a_model_of_dicts_is_a_layer(tmp_path):
    pytest.importorskip("h5py")
    inner = two_in_two_out(OUTPUTS["dict"])
    p, q = mc.Input((2,)), mc.Input((3,))
    found = inner({"a": p, "b": q})
    assert sorted(found) == ["x", "y"]
    outer = mc.Model([p, q], [found["y"], found["x"]])
    y, x = outer.predict([X["a"], X["b"]], verbose=0)
    assert np.array_equal(x, inner.predict(X, verbose=0)["x"])
    for name in ("o.minicnn", "o.keras"):
        outer.save(str(tmp_path / name))
        assert np.array_equal(mc.load_model(str(tmp_path / name)).predict([X["a"], X["b"]], verbose=0)[0], y)


def test_a_list_for_a_dict_goes_by_sorted_names_where_that_is_its_own_order():
    a, b = mc.Input((2,), name="p"), mc.Input((2,), name="q")
    x = [np.ones((1, 2)), np.zeros((1, 2))]
    y = a - b
    assert np.array_equal(mc.Model({"p": a, "q": b}, y)(x), [[1, 1]])
    with pytest.raises(errors.ArgumentTypeError, match=r"expected a dict by p, q, received a list"):
        mc.Model({"q": b, "p": a}, y)(x)


@pytest.mark.parametrize("said", [["a"], ["a", "a"], {"dict": [["a", 0]]}, {"list": [0, 0]}, {"set": [0, 1]}, 1,
                                  {"tuple": [0, True]}, {"list": [0, {"tuple": [1, 2]}]}])  # fmt: skip
def test_files_name_every_place_once(said):
    with pytest.raises(errors.DataError, match="expected a structure of"):
        structure.from_file(said, 2, "load")


SIZES = {  # of the inputs, in the structure that they have
    "a dict, unsorted": {"b": 3, "a": 2},
    "a dict in a list": [{"b": 3, "a": 4}, 2],
    "a tuple in a tuple": ((2, 3), 4),
    "a list in a dict": {"two": [3, 2], "one": 4},
}


@pytest.mark.parametrize("kind", SIZES)
def test_batches_of_any_structure_count_with_all_their_rows(kind, rng, tmp_path):
    """As a list of batches, from a generator, in a run with checkpoints: as arrays."""
    sizes = structure.flat(SIZES[kind])

    def like(values):
        return structure.packed(structure.template_of(SIZES[kind]), values)

    inputs = [mc.Input((n,), name=f"i{n}") for n in sizes]
    y = Add()([Dense(2, name=f"d{n}")(one) for n, one in zip(sizes, inputs, strict=True)])
    model = mc.Model(like(inputs), y, name="net", seed=1)
    model.compile("sgd", "mse")
    data, t = [rng.normal(size=(10, n)).astype("f4") for n in sizes], np.zeros((10, 2), "f4")
    halves = [(like([one[n : n + 5] for one in data]), t[:5]) for n in (0, 5)]
    start, found = model.get_weights(), []
    for how in ({"x": like(data), "y": t, "batch_size": 5}, {"x": halves},
                {"x": iter(halves), "steps_per_epoch": 2, "checkpoint": tmp_path / "run"}):  # fmt: skip
        model.set_weights(start)
        model.fit(**how, verbose=0, shuffle=False)
        found.append(model.get_weights())
    assert not np.array_equal(found[0][0], start[0])
    for weights in found[1:]:
        for p, q in zip(found[0], weights, strict=True):
            np.testing.assert_array_equal(p, q)
    assert model.trace(halves[0][0], t[:5])["loss"] > 0
    assert mc.teaching.gradcheck(model).ok


def test_weights_of_samples_by_the_outputs_names():
    model = two_in_two_out(OUTPUTS["dict"])
    model.compile("sgd", "mse")
    y = {"y": np.zeros((4, 2), "f4"), "x": np.zeros((4, 1), "f4")}
    first = model.evaluate(X, y, sample_weight={"y": np.zeros(4), "x": np.ones(4)}, verbose=0, return_dict=True)
    assert first["loss"] == pytest.approx(float((model.predict(X, verbose=0)["x"] ** 2).mean()), rel=1e-5)


def test_copies_of_images_are_averaged_in_the_outputs_structure(rng):
    x = mc.Input((6, 6, 1))
    y = Dense(2, name="y")(Flatten()(x))
    images = rng.normal(size=(3, 6, 6, 1)).astype(np.float32)
    plain, named = mc.Model(x, y), mc.Model(x, {"y": y})
    named.set_weights(plain.get_weights())
    found = named.predict(images, verbose=0, tta="flips")
    assert list(found) == ["y"]
    np.testing.assert_array_equal(found["y"], plain.predict(images, verbose=0, tta="flips"))
