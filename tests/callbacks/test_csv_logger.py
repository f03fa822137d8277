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
