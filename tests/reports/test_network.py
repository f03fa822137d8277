"""plot_model: which boxes there are, what they say, where they stand, and the file."""

import itertools

import pytest

import minicnn as mc
from minicnn import layers as L
from minicnn.errors import ArgumentError, ArgumentTypeError, NotBuiltError
from minicnn.reports import network

from .test_pictures import pixels


def residual():
    x, z = L.Input((8, 8, 4), name="image"), L.Input((3,), name="facts")
    y = L.Conv2D(4, 3, padding="same", activation="relu", name="first")(x)
    y = L.Conv2D(4, 3, padding="same", name="second")(y)
    y = L.GlobalAveragePooling2D(name="mean")(L.add([y, x]))
    y = L.concatenate([y, z])
    return mc.Model([x, z], [L.Dense(3, name="class")(y), L.Dense(1, name="place")(y)])


def test_boxes_and_their_feeds():
    found = network._boxes(residual())
    said = {box.name: [found[i].name for i in box.feeds] for box in found}
    added = next(name for name in said if name.startswith("add"))
    joined = next(name for name in said if name.startswith("concatenate"))
    assert said == {"image": [], "facts": [], "first": ["image"], "second": ["first"], added: ["second", "image"],
                    "mean": [added], joined: ["mean", "facts"], "class": [joined], "place": [joined]}  # fmt: skip


def test_every_box_stands_below_what_it_reads_and_no_two_overlap():
    found = network._boxes(residual())
    at, ways = network._places(found)
    for box, (_, row) in zip(found, at, strict=True):
        assert all(at[i][1] < row for i in box.feeds)
    taken = sorted([(row, x - 0.5, x + 0.5) for x, row in at]
                   + [(row, x - 0.125, x + 0.125) for way in ways.values() for x, row in way])  # fmt: skip
    assert all(a[0] < b[0] or a[2] <= b[1] + 1e-9 for a, b in itertools.pairwise(taken))
    skip = next(way for (i, n), way in ways.items() if found[i].name == "image" and found[n].kind == "Add")
    assert [row for _, row in skip] == [1, 2]


def test_a_model_within_is_one_box_or_its_layers():
    inner = mc.Sequential([L.Conv2D(2, 3), L.Conv2D(2, 1)], name="inner")
    model = mc.Sequential([L.Input((8, 8, 1)), inner, L.Flatten()])
    assert [box.kind for box in network._boxes(model)] == ["InputLayer", "Sequential", "Flatten"]
    assert [box.kind for box in network._boxes(model, True)] == ["InputLayer", "Conv2D", "Conv2D", "Flatten"]


@pytest.mark.parametrize("rankdir", ["TB", "LR"])
def test_the_file(tmp_path, rankdir):
    drawn = network.plot_model(residual(), tmp_path / "m.png", True, True, True, rankdir, show_trainable=True, dpi=60,
                               show_layer_activations=True)  # fmt: skip
    image = pixels((tmp_path / "m.png").read_bytes())
    assert (image < 0.9).any()
    assert (image[[0, -1]] > 0.99).all()
    assert (image[:, [0, -1]] > 0.99).all()
    assert (image.shape[0] > image.shape[1]) == (rankdir == "TB")
    said = [text.get_text() for text in drawn.axes[0].texts]
    for line in ("first (Conv2D)", "activation: relu", "input: (None, 8, 8, 4), (None, 8, 8, 4)", "output: (None, 3)",
                 "dtype: float32", "trainable"):  # fmt: skip
        assert line in said


def test_a_long_chain_stays_a_picture(monkeypatch):
    monkeypatch.setattr(network, "LONGEST", 500)
    figure = network.draw(mc.Sequential([L.Input((4,)), *(L.Dense(4) for _ in range(8))]), dpi=200)
    assert 400 < max(figure.get_size_inches()) * figure.dpi <= 500


def test_what_cannot_be_drawn(tmp_path):
    with pytest.raises(NotBuiltError, match="network: model: expected a built model, received one without weights"):
        network.plot_model(mc.Sequential([L.Dense(1)]), tmp_path / "m.png")
    with pytest.raises(ArgumentTypeError, match="network: model: expected a model"):
        network.draw(3)
    with pytest.raises(ArgumentError, match="suffix"):
        network.plot_model(residual(), tmp_path / "m.gif")
    assert list(tmp_path.iterdir()) == []
