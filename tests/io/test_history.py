"""history.csv: the columns, and the numbers to the last digit."""

import re
from types import SimpleNamespace

import pytest

from minicnn.errors import DataError, MissingDataError
from minicnn.io import history

VALUES = {"loss": [0.5, 1 / 3], "accuracy": [0.25, 0.75], "val_loss": [1.0, 2.0], "val_accuracy": [0.1, 0.2],
          "learning_rate": [1e-3, 5e-4]}  # fmt: skip


def test_exact_text(tmp_path):
    history.write(tmp_path / "history.csv", VALUES)
    assert (tmp_path / "history.csv").read_bytes() == (
        b"epoch,accuracy,learning_rate,loss,val_accuracy,val_loss\n"
        b"0,0.25,0.001,0.5,0.1,1.0\n"
        b"1,0.75,0.0005,0.3333333333333333,0.2,2.0\n"
    )


def test_round_trip_is_exact(tmp_path):
    history.write(tmp_path / "history.csv", SimpleNamespace(history=VALUES, epoch=[4, 5]))
    assert history.read(tmp_path / "history.csv") == {"epoch": [4, 5], **VALUES}


def test_what_was_not_measured_is_na(tmp_path):
    history.write(tmp_path / "history.csv", {"loss": [0.5], "accuracy": [1]})
    assert (tmp_path / "history.csv").read_text().splitlines()[1] == "0,1.0,NA,0.5,NA,NA"
    assert history.read(tmp_path / "history.csv") == {"epoch": [0], "accuracy": [1.0], "loss": [0.5]}


def test_no_epoch_is_a_header(tmp_path):
    history.write(tmp_path / "history.csv", {})
    assert history.read(tmp_path / "history.csv") == {"epoch": []}


def test_write_refuses_columns_of_different_length(tmp_path):
    with pytest.raises(DataError, match=r"expected 2 values of accuracy, received 1$"):
        history.write(tmp_path / "history.csv", {"loss": [1, 2], "accuracy": [1]})
    assert not (tmp_path / "history.csv").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": expected the header " + ",".join(history.COLUMNS) + ", received "),
        ("epoch,loss\n0,1\n", ": expected the header " + ",".join(history.COLUMNS) + ", received epoch,loss"),
        (",".join(history.COLUMNS) + "\n0,1,2\n", ", line 2: expected 6 cells, received 3"),
        (",".join(history.COLUMNS) + "\n0,1,2,x,4,5\n", ", line 2: expected a number as loss, received 'x'"),
    ],
)
def test_read_refuses(tmp_path, text, message):
    path = tmp_path / "history.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=re.escape(f"history {path}{message}") + "$"):
        history.read(path)


def test_read_without_a_file(tmp_path):
    with pytest.raises(MissingDataError, match="expected a file, received none"):
        history.read(tmp_path / "history.csv")
