import pytest

from minicnn.callbacks import CSVLogger

from .fake_model import FakeModel, play

EPOCHS = [{"loss": 0.5, "accuracy": 0.75, "val_loss": 1.0}, {"loss": 0.25, "accuracy": 1.0}]


def test_columns_are_epoch_then_sorted_names(tmp_path):
    path = tmp_path / "new" / "log.csv"
    play(CSVLogger(path), EPOCHS)
    assert path.read_bytes() == b"epoch,accuracy,loss,val_loss\r\n0,0.75,0.5,1.0\r\n1,1.0,0.25,NA\r\n"


def test_val_columns_are_there_even_before_the_first_validation(tmp_path):
    path = tmp_path / "log.csv"
    play(CSVLogger(path, separator=";"), [{"loss": 0.5}, {"loss": 0.25, "val_loss": 1.0}])
    assert path.read_text().splitlines() == ["epoch;loss;val_loss", "0;0.5;NA", "1;0.25;1.0"]


def test_appending_writes_no_second_header(tmp_path):
    path = tmp_path / "log.csv"
    play(CSVLogger(path, append=True), EPOCHS[:1])
    play(CSVLogger(path, append=True), EPOCHS[:1])
    assert path.read_text().splitlines() == ["epoch,accuracy,loss,val_loss", "0,0.75,0.5,1.0", "0,0.75,0.5,1.0"]
    play(CSVLogger(path), EPOCHS[:1])
    assert len(path.read_text().splitlines()) == 2


def test_a_row_is_on_disk_when_its_epoch_ends(tmp_path):
    path = tmp_path / "log.csv"
    sizes = []
    play(CSVLogger(path), EPOCHS, on_epoch=lambda epoch: sizes.append(len(path.read_text().splitlines())))
    assert sizes == [2, 3]


def test_the_logger_can_be_used_twice_and_closed_early(tmp_path):
    logger = CSVLogger(tmp_path / "log.csv")
    play(logger, EPOCHS)
    play(logger, [{"f1": 1.0}], FakeModel())
    assert (tmp_path / "log.csv").read_text().splitlines() == ["epoch,f1,val_f1", "0,1.0,NA"]
    logger.close()


def test_lists_become_one_cell(tmp_path):
    play(CSVLogger(tmp_path / "log.csv"), [{"val_parts": [1, 2]}])
    assert (tmp_path / "log.csv").read_text().splitlines()[1] == '0,"""[1, 2]"""'


def logged(path, epochs, state=None, **how):
    """The logger after these epochs, as a run that goes on from `state` if there is one; its state."""
    logger = CSVLogger(path, **how)
    logger.set_model(FakeModel())
    first = 0 if state is None else state.pop("epoch")
    logger.set_params({"resumed": None if state is None else (first, 0)})
    logger.on_train_begin()
    if state is not None:
        logger.set_state(state)
    for number, logs in enumerate(epochs, first):
        logger.on_epoch_end(number, dict(logs))
    return logger, logger.get_state() | {"epoch": first + len(epochs)}


@pytest.mark.parametrize("append", [False, True])
@pytest.mark.parametrize("after", [b"", b"2,0.5,0.5,NA\r\n", b"2,0.", b"2,0.5,0.5,NA\r\n3,0.5,0.4,NA\r\n"])
def test_after_a_resume_the_rows_are_those_of_an_undisturbed_run(tmp_path, after, append):
    """after: what the killed run has written behind its last checkpoint."""
    path, whole = tmp_path / "log.csv", tmp_path / "whole.csv"
    if append:
        path.write_bytes(b"epoch,loss\r\n0,1.0\r\n")
        whole.write_bytes(path.read_bytes())
    logged(whole, [*EPOCHS, *EPOCHS], append=append)[0].close()
    _, state = logged(path, EPOCHS, append=append)
    with path.open("ab") as file:
        file.write(after)
    logged(path, EPOCHS, state, append=append)[0].close()
    assert path.read_bytes() == whole.read_bytes()


def test_rows_that_are_gone_come_back(tmp_path):
    path = tmp_path / "log.csv"
    _, state = logged(path, EPOCHS)
    path.unlink()
    logged(path, EPOCHS, state)[0].close()
    assert [line.split(",")[0] for line in path.read_text().splitlines()] == ["epoch", "0", "1", "2", "3"]


def test_a_file_that_somebody_has_changed_keeps_what_is_there(tmp_path, capsys):
    path = tmp_path / "log.csv"
    _, state = logged(path, EPOCHS)
    path.write_text("mine\n")
    logged(path, EPOCHS[:1], state)[0].close()
    assert path.read_text().splitlines() == ["mine", "2,0.75,0.5,1.0"]
    assert "was changed since the checkpoint; what is there stays" in capsys.readouterr().err


def test_a_torn_row_stays_by_itself_where_a_log_is_appended_to(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(b"epoch,loss\r\n0,1.0\r\n1,0.")
    play(CSVLogger(path, append=True), [{"loss": 0.5}])
    assert path.read_bytes() == b"epoch,loss\r\n0,1.0\r\n1,0.\r\n0,0.5,NA\r\n"
