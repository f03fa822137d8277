import numpy as np
import pytest

from minicnn import notes
from minicnn.callbacks import History

from .fake_model import FakeModel, play


def test_lists_of_python_floats():
    history = History()
    model = play(history, [{"loss": np.float32(0.5)}, {"loss": np.array(0.25), "val_loss": 1}], steps=7)
    assert history.history == {"loss": [0.5, 0.25], "val_loss": [1.0]}
    assert all(type(v) is float for values in history.history.values() for v in values)
    assert history.epoch == [0, 1]
    assert history.params == {"verbose": 0, "epochs": 2, "steps": 7}
    assert model.history is history


def test_old_spellings_are_found_with_a_note_when_read(capsys, monkeypatch):
    monkeypatch.setattr(notes, "_said", set())
    history = History()
    play(history, [{"accuracy": 0.5, "val_acc": 0.25, "learning_rate": 0.1}])
    logs = history.history
    assert (logs["acc"], logs["val_accuracy"], logs["lr"], logs.get("acc")) == ([0.5], [0.25], [0.1], [0.5])
    assert list(logs) == ["accuracy", "val_acc", "learning_rate"]
    assert "acc" not in logs
    assert capsys.readouterr().err.count("\n") == 3
    assert logs.get("f1", "none") == "none"
    with pytest.raises(KeyError, match="f1"):
        logs["f1"]


def test_what_is_no_number_is_kept():
    history = History()
    play(history, [{"confusion": [1, 2]}], FakeModel())
    assert history.history == {"confusion": [[1, 2]]}
