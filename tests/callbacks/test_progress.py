import fcntl
import io
import os
import re
import struct
import sys
import termios
import threading
import time

import pytest

from minicnn.callbacks import CallbackList, LambdaCallback, ProgressBar, ReduceLROnPlateau, progress, readout
from minicnn.callbacks.console import say
from minicnn.errors import ArgumentError

from .fake_model import FakeModel

LOGS = {"loss": 0.0611, "accuracy": 0.9812}
RESULTS = {"val_loss": 0.04, **LOGS, "learning_rate": 0.0005, "val_accuracy": 0.988}
SHOWN = "accuracy: 0.9812 - loss: 0.0611 - val_accuracy: 0.9880 - val_loss: 0.0400 - learning_rate: 5.0000e-04"


class Terminal:
    """A pseudo-terminal in place of stdout; `text` is all that was written to it."""

    def __init__(self, columns=200, encoding="utf-8"):
        self.master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40 if columns else 0, columns, 0, 0))
        self.stream = open(slave, "w", encoding=encoding)  # noqa: SIM115
        self.received = b""
        self.reader = threading.Thread(target=self._read, daemon=True)

    def _read(self):
        while True:
            try:
                chunk = os.read(self.master, 65536)
            except OSError:  # the slave side was closed
                return
            self.received += chunk

    def __enter__(self):
        self.reader.start()
        self.stdout, sys.stdout = sys.stdout, self.stream
        return self

    def __exit__(self, *_):
        sys.stdout = self.stdout
        self.stream.close()
        self.reader.join()
        os.close(self.master)

    @property
    def text(self):
        return self.received.decode(self.stream.encoding)

    @property
    def screen(self):
        """The lines that remain visible: a carriage return goes back to the line's beginning and overwrites."""
        lines = []
        for line in self.text.replace("\r\n", "\n").split("\n"):
            cells = ""
            for part in line.split("\r"):
                cells = part + cells[len(part) :]
            lines.append(cells.rstrip())
        return lines


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only when told: clock[0] += seconds."""
    now = [100.0]
    monkeypatch.setattr(progress, "perf_counter", lambda: now[0])
    return now


def fit(clock, bar, epochs=2, steps=4, step_time=0.25, callbacks=(), logs=lambda: LOGS):
    params = {"verbose": "auto", "epochs": epochs, "steps": steps}
    listed = CallbackList([*callbacks, bar], FakeModel(), params)
    listed.on_train_begin()
    for epoch in range(epochs):
        listed.on_epoch_begin(epoch)
        for step in range(4):
            clock[0] += step_time
            listed.on_train_batch_end(step, logs)
        listed.on_test_begin()
        clock[0] += 1
        listed.on_test_batch_end(0, {"loss": 9.0})
        listed.on_test_end({"loss": 9.0})
        listed.on_epoch_end(epoch, dict(RESULTS))
    listed.on_train_end()


def test_on_a_terminal_each_epoch_leaves_its_title_and_a_full_bar(clock):
    with Terminal() as terminal:
        fit(clock, ProgressBar())
    full = f"4/4 {'█' * 20} 2s 250ms/step - {SHOWN}"
    assert terminal.screen == ["Epoch 1/2", full, "Epoch 2/2", full, ""]


def test_on_the_way_it_shows_steps_eta_and_running_means(clock):
    with Terminal() as terminal:
        fit(clock, ProgressBar(), epochs=1)
    drawn = [part for part in re.split(r"[\r\n]+", terminal.text) if part.strip()]
    assert drawn[:4] == [
        "0/4" + " " * 22,
        "1/4 █████                0s 250ms/step - accuracy: 0.9812 - loss: 0.0611",
        "2/4 ██████████           0s 250ms/step - accuracy: 0.9812 - loss: 0.0611",
        "3/4 ███████████████      0s 250ms/step - accuracy: 0.9812 - loss: 0.0611",
    ]
    assert "Epoch" not in terminal.text  # as in Keras: no title for a single epoch


def test_it_is_drawn_at_most_every_tenth_of_a_second_and_reads_logs_only_then(clock):
    read = []
    with Terminal() as terminal:
        bar = ProgressBar()
        assert bar.wants_batch_logs
        bar.set_params({"epochs": 1, "steps": 1000})
        bar.on_epoch_begin(0)
        for step in range(999):
            clock[0] += 0.001
            bar.on_train_batch_end(step, lambda: read.append(1) or LOGS)
        bar.close()
    assert 9 <= len(read) <= 10
    assert terminal.text.count("/1000") <= 12


def test_a_narrow_terminal_gets_one_line_while_running_and_the_whole_line_at_the_end(clock):
    with Terminal(columns=60) as terminal:
        fit(clock, ProgressBar(), epochs=1)
    *drawn, last, _ = [part for part in re.split(r"[\r\n]+", terminal.text) if part.strip()] + [""]
    assert max(len(part) for part in drawn) == 59
    assert last.endswith(SHOWN)


def test_a_terminal_that_reports_no_size_has_80_columns(clock):
    with Terminal(columns=0) as terminal:
        fit(clock, ProgressBar(), epochs=1)
    assert "\r3/4 ███████████████      0s 250ms/step - accuracy: 0.9812 - loss: 0.0611" in terminal.text


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_stream_without_blocks_gets_ascii(clock, encoding):
    with Terminal(encoding=encoding) as terminal:
        fit(clock, ProgressBar(), epochs=1)
    assert terminal.screen[-2] == f"4/4 {'#' * 20} 2s 250ms/step - {SHOWN}"


def test_messages_go_above_the_bar(clock):
    with Terminal() as terminal:
        fit(clock, ProgressBar(), callbacks=[ReduceLROnPlateau(factor=0.5, patience=1, verbose=1)])
    lines = terminal.screen
    assert lines[2:] == [
        "Epoch 2/2",
        "Epoch 2: ReduceLROnPlateau reducing learning rate to 0.5.",
        f"4/4 {'█' * 20} 2s 250ms/step - {SHOWN.replace('5.0000e-04', '1.0000')}",
        "",
    ]


def test_ctrl_c_leaves_the_terminal_on_a_line_of_its_own(clock):
    def interrupt(batch, logs):
        if batch == 2:
            raise KeyboardInterrupt

    with Terminal() as terminal:
        bar = ProgressBar()
        listed = CallbackList([bar, LambdaCallback(on_train_batch_end=interrupt)], FakeModel(), {"steps": 9})
        with pytest.raises(KeyboardInterrupt):
            fit(clock, listed, steps=9)
        drawn = bar._bar  # held, so that it is close() that ends the line and not the bar's destructor
        listed.close()
        assert drawn.disable
        say("stopped")
    assert re.fullmatch(r"3/9 █+\S? + 1s 250ms/step - accuracy: 0.9812 - loss: 0.0611", terminal.screen[1])
    assert terminal.screen[2:] == ["stopped", ""]


def test_evaluate_and_predict_on_a_terminal(clock):
    with Terminal() as terminal:
        for kind, logs in (("test", LOGS), ("predict", None)):
            listed = CallbackList(None, FakeModel(), {"verbose": 1, "steps": 2}, add_progbar=True)
            getattr(listed, f"on_{kind}_begin")()
            for step in range(2):
                clock[0] += 2
                getattr(listed, f"on_{kind}_batch_end")(step, LOGS)
            getattr(listed, f"on_{kind}_end")(logs)
    assert terminal.screen == [
        f"2/2 {'█' * 20} 4s 2s/step - accuracy: 0.9812 - loss: 0.0611",
        f"2/2 {'█' * 20} 4s 2s/step",
        "",
    ]


def test_an_unknown_length_is_known_from_the_second_epoch(clock):
    with Terminal() as terminal:
        fit(clock, ProgressBar(), steps=None)
    assert "      1/Unknown 0s 250ms/step" in terminal.text
    assert terminal.text.count("1/4 █████ ") == 1
    assert terminal.screen[1] == terminal.screen[3] == f"4/4 {'█' * 20} 2s 250ms/step - {SHOWN}"


@pytest.mark.parametrize("verbose", ["auto", 1, 2])
def test_in_a_pipe_one_plain_line_per_epoch(clock, verbose, monkeypatch):
    ends = os.pipe()
    with open(ends[1], "w") as stream, open(ends[0]) as reader:
        monkeypatch.setattr(sys, "stdout", stream)
        bar = ProgressBar(verbose)
        assert not bar.wants_batch_logs
        fit(clock, bar, epochs=3, logs=None)
        monkeypatch.undo()
        stream.close()
        text = reader.read()
    assert text == "".join(f"Epoch {e}/3 - 4/4 - 2s - 250ms/step - {SHOWN}\n" for e in (1, 2, 3))


def test_each_plain_line_is_flushed(clock, monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(raw), "utf-8"))
    fit(clock, ProgressBar(2), epochs=1)
    assert raw.getvalue().startswith(b"Epoch 1/1 - 4/4")


def test_a_long_epoch_in_a_pipe_shows_life_every_half_minute(clock, capsys):
    fit(clock, ProgressBar(), epochs=1, steps=8, step_time=20, logs=None)
    assert capsys.readouterr().out.splitlines() == [
        "Epoch 1/1 - 2/8 - 40s - ETA 2:00 - 20s/step",
        "Epoch 1/1 - 4/8 - 80s - ETA 1:20 - 20s/step",
        f"Epoch 1/1 - 4/8 - 81s - 20s/step - {SHOWN}",  # stopped early: the steps that were done
    ]


def test_verbose_2_on_a_terminal_is_one_line_per_epoch(clock):
    with Terminal() as terminal:
        bar = ProgressBar(2)
        assert not bar.wants_batch_logs
        fit(clock, bar, epochs=1, step_time=40)
    assert terminal.text == f"Epoch 1/1 - 4/4 - 161s - 40s/step - {SHOWN}\r\n"


def test_verbose_0_says_nothing(clock, capsys):
    with Terminal() as terminal:
        assert not ProgressBar(0).wants_batch_logs
        fit(clock, ProgressBar(0), step_time=100)
    fit(clock, ProgressBar(0), step_time=100)
    assert (terminal.text, capsys.readouterr().out) == ("", "")


def test_no_stdout_at_all(clock, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    fit(clock, ProgressBar())
    say("nobody hears this")


def test_a_metric_name_that_the_stream_cannot_encode(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, "ascii"))
    say("précision: 0.5")
    assert raw.getvalue() == b"pr?cision: 0.5\n"


def test_verbose_is_checked():
    with pytest.raises(ArgumentError, match=r'^verbose: expected 0, 1, 2 or "auto", received 3$'):
        ProgressBar(3)


def test_the_first_step_is_left_out_of_the_time_per_step(clock, capsys):
    bar = ProgressBar(2)
    bar.set_params({"epochs": 1, "steps": 3})
    bar.on_epoch_begin(0)
    for step, seconds in enumerate((10, 0.02, 0.02)):  # the first one compiles
        clock[0] += seconds
        bar.on_train_batch_end(step)
    bar.on_epoch_end(0, {})
    assert capsys.readouterr().out == "Epoch 1/1 - 3/3 - 10s - 20ms/step\n"


def test_a_step_costs_microseconds():
    # A loose bound that catches a redraw, or logs read, in every step: those cost tens of microseconds at least.
    with Terminal():
        bar = ProgressBar()
        bar.set_params({"epochs": 1, "steps": 20_000})
        bar.on_epoch_begin(0)
        reads = []
        began = time.perf_counter()
        for step in range(19_999):
            bar.on_train_batch_end(step, lambda: reads.append(1) or LOGS)
        spent = time.perf_counter() - began
        bar.close()
    assert len(reads) <= 1 + spent / bar.interval


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.9812345, "0.9812"),
        (0.001, "1.0000e-03"),
        (0.00101, "0.0010"),
        (-0.5, "-0.5000"),
        (0, "0.0000e+00"),
        (float("nan"), "nan"),
        ([1], "[1]"),
    ],
)
def test_numbers_as_keras_writes_them(value, text):
    assert readout.number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (60, "60s"), (61, "1:01"), (3600, "60:00"), (3661.9, "1:01:01"), (59.9, "59s")]
)
def test_remaining_time_as_keras_writes_it(seconds, text):
    assert readout.eta(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s/step"), (2.4, "2s/step"), (0.028, "28ms/step"), (0.00042, "420us/step")]
)
def test_step_times_as_keras_writes_them(seconds, text):
    assert readout.per_step(seconds) == text
