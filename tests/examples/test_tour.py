"""The tour ends, and each of its stops has left what it is about."""

import re

import numpy as np
import pytest

from minicnn.io import submission


@pytest.fixture(scope="module")
def tour(examples):
    return examples("tour")


@pytest.mark.slow
def test_all_stops(tour, tmp_path, capsys):
    tour.main(["--out", "out"])
    out = capsys.readouterr().out
    assert re.findall(r"^(\d+)\. ", out, re.M) == [str(number) for number in range(1, 13)]
    written = {path.name for path in (tmp_path / "out").iterdir()}
    pictures = {name for name in written if name.endswith(".png")}
    assert {name.split("_")[0] for name in pictures} == {"1", "6", "7", "8", "11"}
    assert all((tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG") for name in pictures)
    assert written - pictures == {
        "best.weights.safetensors", "damaged.csv", "log.csv", "model.minicnn", "model.weights.safetensors",
        "submission.csv", "train.csv",
    }  # fmt: skip
    submission.check(tmp_path / "out" / "submission.csv", 360)
    assert "received an empty field in data row 4 (line 5), column pixel0" in out
    assert "loaded models predict the same bytes: [True, True]" in out
    for optimizer in ("SGD", "RMSprop", "Adagrad", "Adadelta", "Adam", "Adamax", "Nadam", "AdamW"):
        assert re.search(rf"^{optimizer} +learning rate", out, re.M)
    assert re.search(r"^Epoch 4/4 - 30/30 .*- sure: .*- val_sure: .*- learning_rate: ", out, re.M)
    assert float(re.search(r"loss and metrics \[[\d.]+, ([\d.]+),", out)[1]) > 0.7  # it has learnt


def test_the_metric_of_ones_own(tour):
    p = np.array([[0.95, 0.05], [0.5, 0.5]])
    assert tour.sure(np.eye(2), p).tolist() == [True, False]
