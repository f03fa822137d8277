"""fit(checkpoint=): a run that was interrupted anywhere ends with the bytes of one that never was."""

import errno
import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import minicnn
from minicnn import CheckpointOptions, callbacks
from minicnn.data import ImageDataGenerator
from minicnn.errors import ArgumentError, ArgumentTypeError, DataError
from minicnn.io import files, model_file
from minicnn.training import checkpoint

from .networks import small, state, toy

X, Y = toy(30)
HELD = toy(12, seed=5)
STEPS, EPOCHS = 4, 3  # of 8 rows each


class Stop(Exception):
    pass


class StopAfter(callbacks.Callback):
    """Raise after so many steps of this process's; counts the steps of the whole run."""

    def __init__(self, steps=None):
        super().__init__()
        self.left, self.seen = steps, 0

    def get_state(self):
        return {"seen": self.seen}

    def set_state(self, state):
        self.seen = state["seen"]

    def on_train_batch_end(self, batch, logs=None):
        self.seen += 1
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise Stop


def run(folder, after=None, *, x=X, y=Y, epochs=EPOCHS, verbose=0, model=None, augmented=True, more=(), every=0.0,
        checkpoint="ck", **how):  # fmt: skip
    """Train with everything that has state; (model, what it left)."""
    model = model or small(kernels="numpy_ref")
    fed = {"x": x, "y": y, "batch_size": 8}
    if augmented:
        fed = {"x": ImageDataGenerator(rotation_range=10, rescale=0.5).flow(x, y, batch_size=8)}
    watching = [
        callbacks.ReduceLROnPlateau(patience=1, factor=0.5),
        callbacks.EarlyStopping(patience=9, restore_best_weights=True),
        callbacks.CSVLogger(folder / "log.csv"),
        callbacks.ModelCheckpoint(folder / "best.minicnn", save_best_only=True),
        *more,
        StopAfter(after),
    ]
    options = CheckpointOptions(folder / checkpoint, save_every=every) if isinstance(checkpoint, str) else checkpoint
    trained = model.fit(**fed, epochs=epochs, validation_data=HELD, callbacks=watching, verbose=verbose,
                        checkpoint=options, **how)  # fmt: skip
    best = minicnn.load_model(folder / "best.minicnn", kernels="numpy_ref")
    return model, [state(model), trained.history, trained.epoch, (folder / "log.csv").read_bytes(), state(best)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return run(tmp_path_factory.mktemp("undisturbed"), checkpoint=None)[1]


def saved(folder):
    return sorted(path.name for path in (folder / "ck" / "run_0001").iterdir())


@pytest.mark.parametrize("after", [1, STEPS, STEPS + 1, 2 * STEPS + 3, EPOCHS * STEPS])
def test_stopped_after_any_step_it_goes_on_to_the_same_bytes(tmp_path, undisturbed, after):
    with pytest.raises(Stop):
        run(tmp_path, after)
    model, left = run(tmp_path)
    assert left == undisturbed
    assert (model.epochs_done, model.steps_done) == (EPOCHS, EPOCHS * STEPS)


def test_draws_of_a_validation_go_on_too(tmp_path):
    """Callbacks decide by its loss, and a dropout may always be at work."""

    def always():
        x = minicnn.Input((6, 6, 1))
        y = minicnn.layers.Dropout(0.5)(minicnn.layers.Flatten()(x), training=True)
        model = minicnn.Model(x, minicnn.layers.Dense(3, activation="softmax")(y), seed=1, kernels="numpy_ref")
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    whole = run(tmp_path, model=always(), checkpoint=None)[1]
    with pytest.raises(Stop):
        run(tmp_path, STEPS + 1, model=always())
    model, left = run(tmp_path, model=always())
    assert left == whole
    assert (model.steps_done, model.streams.inferences) == (EPOCHS * STEPS, EPOCHS)


def test_stopped_again_and_again(tmp_path, undisturbed):
    for after in (3, 2, 1, 5):
        with pytest.raises(Stop):
            run(tmp_path, after, every=None if after == 1 else 0.0)
    assert run(tmp_path)[1] == undisturbed


def test_epochs_alone_and_a_minute_which_never_comes(tmp_path, undisturbed):
    with pytest.raises(Stop):
        run(tmp_path, 2 * STEPS + 2, every=60.0)
    assert saved(tmp_path) == ["best.minicnn", "epoch_00001_step_0000000.minicnn", "epoch_00002_step_0000000.minicnn"]
    assert run(tmp_path)[1] == undisturbed


def test_a_finished_run_says_so_and_trains_nothing(tmp_path, undisturbed, capsys):
    run(tmp_path)
    before = saved(tmp_path)
    capsys.readouterr()
    model, left = run(tmp_path, verbose=2)
    assert left == undisturbed
    assert saved(tmp_path) == before
    out = capsys.readouterr().out.splitlines()
    assert [line.split(" - ")[0] for line in out] == ["finished: 3 epochs are done, nothing is left to train"]
    assert model.checkpoint_failure is None


def test_more_epochs_go_on(tmp_path):
    whole, part = tmp_path / "whole", tmp_path / "part"
    expected = run(whole, epochs=4, checkpoint=None)[1]
    run(part, epochs=2)
    assert run(part, epochs=4)[1] == expected
    with pytest.raises(ArgumentError, match=r"expected at least epochs=4, which are done, received epochs=3"):
        run(part, epochs=3)


def test_what_is_shown_is_the_whole_run(tmp_path, capsys):
    with pytest.raises(Stop):
        run(tmp_path, STEPS + 3, verbose=2)
    first = capsys.readouterr().out.splitlines()
    run(tmp_path, verbose=2)
    out = capsys.readouterr().out.splitlines()
    assert out[: len(first)] == first
    assert out[len(first)] == "resumed at epoch 2, step 2 of 4"
    assert [line.split(" - ")[:2] for line in out[len(first) + 1 :]] == [["Epoch 2/3", "4/4"], ["Epoch 3/3", "4/4"]]


def test_the_same_model_goes_on_in_the_same_process(tmp_path, undisturbed):
    model = small(kernels="numpy_ref")
    with pytest.raises(Stop):
        run(tmp_path, 2 * STEPS + 1, model=model)
    assert run(tmp_path, model=model)[1] == undisturbed


def test_a_drawn_seed_is_the_checkpoints(tmp_path):
    with pytest.raises(Stop):
        run(tmp_path, STEPS + 1, model=(first := small(seed=None, kernels="numpy_ref")))
    model, left = run(tmp_path, model=small(seed=None, kernels="numpy_ref"))
    assert model.seed == first.seed
    fresh = tmp_path / "fresh"
    assert run(fresh, model=small(seed=first.seed, kernels="numpy_ref"), checkpoint=None)[1] == left


# other runs are refused -----------------------------------------------------------------------------------------------


def refused(folder, **how):
    with pytest.raises(ArgumentError) as caught:
        run(folder, **how)
    return str(caught.value)


def other_network():
    model = minicnn.Sequential([minicnn.layers.Flatten(input_shape=(6, 6, 1)), minicnn.layers.Dense(3)], seed=1)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def other_rate():
    model = small(kernels="numpy_ref")
    model.optimizer.learning_rate = 0.01
    return model


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ({"x": X + np.float32(0.5)}, r"x: \(30, 6, 6, 1\) float32 \w{16}, now \(30, 6, 6, 1\) float32 \w{16}"),
        ({"y": Y[::-1]}, r"y: \(30,\) int64 \w{16}, now \(30,\) int64 \w{16}"),
        ({"augmented": False}, r"flow: shuffle: True, now none"),
        ({"shuffle": False}, "shuffle: True, now False"),
        ({"steps_per_epoch": 3}, "steps_per_epoch: None, now 3"),
        ({"initial_epoch": 1}, "initial_epoch: 0, now 1"),
        ({"class_weight": {0: 2.0}}, r"sample weights: none, now \(30,\)"),
        ({"validation_freq": 2}, "validation_freq: 1, now 2"),
        ({"more": [callbacks.TerminateOnNaN()]}, "callback 5: StopAfter, now TerminateOnNaN"),
    ],
)
def test_other_arguments_are_refused_with_both_sides(tmp_path, how, text):
    with pytest.raises(Stop):
        run(tmp_path, STEPS + 1)
    before = {path: path.read_bytes() for path in (tmp_path / "ck").rglob("*.minicnn")}
    model = small(kernels="numpy_ref")
    untouched = state(model)
    message = refused(tmp_path, model=model, **how)
    assert message.startswith(f"fit: checkpoint {tmp_path}/ck: expected the arguments of the run that it holds, ")
    assert message.endswith("pass the same again, choose another folder, or say resume=False to begin anew")
    assert re.search(text, message), message
    assert state(model) == untouched
    assert {path: path.read_bytes() for path in (tmp_path / "ck").rglob("*.minicnn")} == before


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (other_network, "layer 1: Conv2D, now Flatten"),
        (other_rate, "optimizer: learning_rate: 0.001, now 0.01"),
        (lambda: small(seed=2, kernels="numpy_ref"), "seed: 1, now 2"),
    ],
)
def test_another_network_optimizer_or_seed_is_refused(tmp_path, model, text):
    with pytest.raises(Stop):
        run(tmp_path, STEPS + 1)
    assert text in refused(tmp_path, model=model())


def test_settings_of_callbacks_are_part_of_the_run(tmp_path):
    def trained(patience):
        small(kernels="numpy_ref").fit(X, Y, 8, epochs=1, verbose=0, validation_data=HELD, checkpoint=tmp_path / "ck",
                                       callbacks=[callbacks.EarlyStopping(patience=patience)])  # fmt: skip

    trained(2)
    with pytest.raises(ArgumentError, match="callback 1: patience: 2, now 3"):
        trained(3)


def test_beginning_anew_deletes_nothing(tmp_path, undisturbed):
    with pytest.raises(Stop):
        run(tmp_path, STEPS + 1)
    before = saved(tmp_path)
    anew = CheckpointOptions(tmp_path / "ck", save_every=0, resume=False)
    with pytest.raises(Stop):
        run(tmp_path, 2, checkpoint=anew)
    assert saved(tmp_path) == before
    assert sorted(p.name for p in (tmp_path / "ck" / "run_0002").iterdir()) == [
        "epoch_00000_step_0000001.minicnn"]  # fmt: skip
    assert run(tmp_path)[1] == undisturbed  # the newest run goes on
    assert saved(tmp_path) == before


def test_another_kernel_set_is_stated(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("minicnn.notes._said", set())
    with pytest.raises(Stop):
        run(tmp_path, STEPS + 1)
    run(tmp_path, model=small(kernels="numba_cpu"))
    err = capsys.readouterr().err
    assert "it was written on another ground (kernels: numpy_ref, now numba_cpu" in err
    assert "the run goes on, with other roundings" in err


# damage ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Two checkpoints of the smallest run: its folder."""
    folder = tmp_path_factory.mktemp("tiny")
    tiny_fit(folder / "ck")
    return folder / "ck" / "run_0001"


def tiny_fit(folder, epochs=2, **how):
    model = minicnn.Sequential([minicnn.layers.Dense(1, input_shape=(2,))], seed=0, kernels="numpy_ref")
    model.compile(minicnn.optimizers.Adam(0.0001), "mse")
    model.fit(np.eye(2), np.ones((2, 1)), epochs=epochs, verbose=0, checkpoint=folder, **how)
    return model


def damaged(path, change):
    """Whether a file with these bytes is refused."""
    path.write_bytes(change)
    try:
        checkpoint.Saved(path, *model_file.read(path))
    except minicnn.errors.MinicnnError:
        return True
    return False


@pytest.mark.parametrize("stride", [pytest.param(1, marks=pytest.mark.slow), 29])
def test_cut_anywhere_it_is_refused(tiny, tmp_path, stride):
    whole = (tiny / "epoch_00002_step_0000000.minicnn").read_bytes()
    path = tmp_path / "cut.minicnn"
    assert not damaged(path, whole)
    assert [n for n in range(0, len(whole), stride) if not damaged(path, whole[:n])] == []


@pytest.mark.parametrize("stride", [pytest.param(1, marks=pytest.mark.slow), 211])
def test_any_flipped_bit_is_refused(tiny, tmp_path, stride):
    whole = (tiny / "epoch_00002_step_0000000.minicnn").read_bytes()
    path = tmp_path / "flipped.minicnn"
    accepted = []
    for bit in range(0, 8 * len(whole), stride):
        change = bytearray(whole)
        change[bit // 8] ^= 1 << bit % 8
        if not damaged(path, bytes(change)):
            accepted.append((bit, chr(whole[bit // 8]), chr(change[bit // 8])))
    assert accepted == []


@pytest.mark.parametrize("change", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b[:-1] + bytes([b[-1] ^ 1])])
def test_a_damaged_newest_one_gives_way_to_the_one_before(tmp_path, undisturbed, change, capsys, monkeypatch):
    monkeypatch.setattr("minicnn.notes._said", set())
    with pytest.raises(Stop):
        run(tmp_path, STEPS + 3)
    newest = sorted((tmp_path / "ck" / "run_0001").glob("epoch*"))[-1]
    assert newest.name == "epoch_00001_step_0000002.minicnn"
    newest.write_bytes(change(newest.read_bytes()))
    assert run(tmp_path)[1] == undisturbed
    err = capsys.readouterr().err
    assert f"{newest}: expected" in err
    assert "The one before it, epoch_00001_step_0000001.minicnn, is used" in err


def test_where_none_can_be_read_it_is_not_begun_anew_silently(tmp_path):
    with pytest.raises(Stop):
        run(tmp_path, STEPS + 3)
    for path in (tmp_path / "ck").rglob("epoch*"):
        path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(DataError, match=r"a checkpoint that can be read, received 2 that cannot.*resume=False"):
        run(tmp_path)


# the disk -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "call"),
    [(errno.ENOSPC, "fsync"), (errno.EIO, "fsync"), (errno.EROFS, "open"), (errno.ESTALE, "replace")],
)
def test_training_goes_on_where_the_disk_does_not(tmp_path, undisturbed, number, call, monkeypatch):
    with pytest.raises(Stop):
        run(tmp_path, STEPS + 3)
    before = {path.name: path.read_bytes() for path in (tmp_path / "ck" / "run_0001").glob("epoch*")}
    write, failing = model_file.write, [True]

    def refuse(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    def failing_write(path, *rest):
        if "epoch_" not in str(path) or not failing[0]:
            return write(path, *rest)
        with monkeypatch.context() as patch:
            if call == "open":
                patch.setattr("builtins.open", refuse)
            else:
                patch.setattr(os, call, refuse)
            return write(path, *rest)

    monkeypatch.setattr(model_file, "write", failing_write)
    with pytest.warns(UserWarning, match="training goes on") as warned:
        model, left = run(tmp_path)
    assert left == undisturbed
    text = [str(w.message) for w in warned if "training goes on" in str(w.message)]
    assert len(text) == 1  # once
    assert os.strerror(number) in text[0]
    assert f"{tmp_path}/ck/run_0001/epoch_00001_step_0000003.minicnn" in text[0]
    assert os.strerror(number) in model.checkpoint_failure
    assert {path.name: path.read_bytes() for path in (tmp_path / "ck" / "run_0001").glob("epoch*")} == before
    assert not list((tmp_path / "ck").rglob("*.tmp"))
    failing[0] = False
    model, left = run(tmp_path)  # the last good ones are still good
    assert (left, model.checkpoint_failure) == (undisturbed, None)


def test_a_read_only_disk_lets_a_run_go_on_from_it(tmp_path, undisturbed, monkeypatch):
    with pytest.raises(Stop):
        run(tmp_path, STEPS + 3)

    def refuse(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(checkpoint, "Lock", refuse)
    monkeypatch.setattr(model_file, "write", refuse)
    model = small(kernels="numpy_ref")
    monkeypatch.setattr(model, "save", lambda path: None)  # the best file is another test's
    with pytest.warns(UserWarning, match=rf"checkpoint {tmp_path}/ck could not be written \(Read-only file system\)"):
        assert run(tmp_path, model=model)[1][:4] == undisturbed[:4]
    assert "Read-only file system" in model.checkpoint_failure


def test_a_folder_that_is_none_is_refused_before_training(tmp_path):
    (tmp_path / "file").write_text("")
    model = small(kernels="numpy_ref")
    with pytest.raises(ArgumentError, match="expected a folder that can be written"):
        model.fit(X, Y, checkpoint=tmp_path / "file" / "ck", verbose=0)
    with pytest.raises(ArgumentTypeError, match="expected a folder or CheckpointOptions"):
        model.fit(X, Y, checkpoint=3, verbose=0)
    assert model.steps_done == 0


# locks and signals ----------------------------------------------------------------------------------------------------

HOLD = """
    import sys, time
    import numpy as np, minicnn
    class Wait(minicnn.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            print("step", flush=True)
            time.sleep(float(sys.argv[2]))
    model = minicnn.Sequential([minicnn.layers.Dense(1, input_shape=(2,))], seed=0, kernels="numpy_ref")
    model.compile("sgd", "mse")
    x, y = np.eye(2), np.ones((2, 1))
    model.fit(x, y, batch_size=1, epochs=10**6, verbose=0, callbacks=[Wait()], checkpoint=sys.argv[1])
    print("end", model.steps_done)
"""


def start(folder, pause):
    command = [sys.executable, "-c", textwrap.dedent(HOLD), str(folder), str(pause)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])})  # fmt: skip
    assert process.stdout.readline() == "step\n"
    return process


def test_the_second_run_on_a_folder_is_refused_and_the_lock_dies_with_its_owner(tmp_path):
    process = start(tmp_path / "ck", 600)
    model = small(kernels="numpy_ref")
    with pytest.raises(ArgumentError) as caught:
        model.fit(X, Y, checkpoint=tmp_path / "ck", verbose=0)
    assert f"that no other run is using, received one that process {process.pid} holds" in str(caught.value)
    process.kill()
    process.wait()
    process.stdout.close()
    process.stderr.close()
    tiny_fit(tmp_path / "ck")  # nothing was written yet, so this begins
    tiny_fit(tmp_path / "ck")  # and the lock is given back at a fit's end


def test_a_fit_inside_a_fit_may_not_use_its_folder(tmp_path):
    class Inside(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            tiny_fit(tmp_path / "ck")

    with pytest.raises(ArgumentError, match="no other run is using"):
        tiny_fit(tmp_path / "ck", callbacks=[Inside()])


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 143)])
def test_signals_leave_a_checkpoint_of_the_step_at_hand(tmp_path, number, code):
    process = start(tmp_path / "ck", 0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=300)
    assert process.returncode in (code, 130 if number == signal.SIGINT else code), err
    steps = 1 + out.count("step")
    (newest,) = sorted((tmp_path / "ck" / "run_0001").glob("epoch*"))[-1:]
    assert newest.name == f"epoch_{steps // 2:05d}_step_{steps % 2:07d}.minicnn"
    handlers = signal.getsignal(signal.SIGINT)
    tiny_fit(tmp_path / "other")
    assert signal.getsignal(signal.SIGINT) is handlers


def test_stop_when(tmp_path, undisturbed):
    count = iter(range(100))
    options = CheckpointOptions(tmp_path / "ck", save_every=None, stop_when=lambda: next(count) == STEPS + 1)
    model = small(kernels="numpy_ref")
    assert run(tmp_path, model=model, checkpoint=options)[1][2] == [0]  # an epoch that has not ended has no row
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 2
    assert model.steps_done == STEPS + 2
    assert run(tmp_path)[1] == undisturbed


# iterables ------------------------------------------------------------------------------------------------------------


def batches(seed=0, n=5):
    rng = np.random.default_rng(seed)
    while True:
        for _ in range(n):
            yield rng.random((2, 2), np.float32), rng.random((2, 1), np.float32)


class Again:
    """Batches that begin anew with every pass."""

    def __init__(self, seed=0, n=5):
        self.seed, self.n = seed, n

    def __iter__(self):
        return (next(it) for it in [batches(self.seed, self.n)] for _ in range(self.n))


def fitted(folder, x, after=None, **how):
    model = minicnn.Sequential([minicnn.layers.Dense(1, input_shape=(2,))], seed=0, kernels="numpy_ref")
    model.compile("adam", "mse")
    options = folder and CheckpointOptions(folder, save_every=0)
    history = model.fit(x, epochs=3, verbose=0, checkpoint=options, callbacks=[StopAfter(after)], **how)
    return state(model), history.history


@pytest.mark.parametrize("after", [3, 4, 8])
@pytest.mark.parametrize(("make", "how"), [
    (batches, {"steps_per_epoch": 4}), (Again, {}), (Again, {"steps_per_epoch": 3}),
    (lambda seed=0: [b for b, _ in zip(batches(seed), range(5), strict=False)], {}),
])  # fmt: skip
def test_iterables_are_drawn_again_up_to_their_place(tmp_path, after, make, how):
    expected = fitted(None, make(), **how)
    with pytest.raises(Stop):
        fitted(tmp_path, make(), min(after, 3 * how.get("steps_per_epoch", 5)), **how)
    with pytest.raises((DataError, ArgumentError), match=r"expected"):
        fitted(tmp_path, make(1), **how)
    assert fitted(tmp_path, make(), **how) == expected


# models in the middle of an epoch ------------------------------------------------------------------------------------


class Steps(callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.count = 0

    def on_train_batch_end(self, batch, logs=None):
        self.count += 1


@pytest.mark.parametrize("augmented", [False, True])
def test_a_model_saved_in_mid_epoch_trains_what_was_left(tmp_path, augmented):
    """7 steps per epoch, 4 epochs, saved after the fourth step: 24 are left."""
    x, y = toy(50)
    fed = {"x": x, "y": y, "batch_size": 8}
    if augmented:
        fed = {"x": ImageDataGenerator(rotation_range=5).flow(x, y, batch_size=8)}
    model, path = small(kernels="numpy_ref"), tmp_path / "{batch}-{epoch}.minicnn"
    every = callbacks.ModelCheckpoint(path, save_freq=4)
    history = model.fit(**fed, epochs=4, verbose=0, callbacks=[every]).history
    twin = minicnn.load_model(tmp_path / "4-1.minicnn", kernels="numpy_ref")
    assert (twin.epochs_done, twin.steps_done) == (0, 4)
    steps = Steps()
    later = twin.fit(**fed, epochs=4, initial_epoch=0, verbose=0, callbacks=[steps])
    assert steps.count == 24
    assert (state(twin), later.history) == (state(model), history)
    third = minicnn.load_model(tmp_path / "2-3.minicnn", kernels="numpy_ref")  # 16 steps: 2 of the third epoch
    assert (third.epochs_done, third.steps_done) == (2, 16)
    later = third.fit(**fed, epochs=4, initial_epoch=2, verbose=0, callbacks=[steps := Steps()])
    assert (steps.count, later.epoch) == (12, [2, 3])
    assert (state(third), later.history) == (state(model), {name: values[2:] for name, values in history.items()})


def test_over_other_rows_a_model_in_mid_epoch_begins_one(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("minicnn.notes._said", set())
    model = small(kernels="numpy_ref")
    model.fit(X, Y, 8, verbose=0, callbacks=[callbacks.ModelCheckpoint(tmp_path / "m.minicnn", save_freq=3)])
    for how in ({"batch_size": 4}, {"shuffle": False}, {"x": X + 1}):
        twin = minicnn.load_model(tmp_path / "m.minicnn", kernels="numpy_ref")
        twin.fit(**{"x": X, "y": Y, "batch_size": 8, "verbose": 0, "callbacks": [steps := Steps()]} | how)
        assert steps.count == (8 if "batch_size" in how else 4)
    assert "in the middle of an epoch over other rows or batches; a new one begins" in capsys.readouterr().err


def test_a_fit_that_was_interrupted_is_ended_by_the_next():
    whole, model = small(kernels="numpy_ref"), small(kernels="numpy_ref")
    history = whole.fit(X, Y, 8, epochs=2, verbose=0).history
    with pytest.raises(Stop):
        model.fit(X, Y, 8, epochs=2, verbose=0, callbacks=[StopAfter(STEPS + 1)])
    later = model.fit(X, Y, 8, epochs=2, initial_epoch=1, verbose=0)
    assert state(model) == state(whole)
    assert later.history == {name: values[1:] for name, values in history.items()}


# the protocol ---------------------------------------------------------------------------------------------------------


def test_a_checkpoint_is_a_model(tmp_path):
    with pytest.raises(Stop):
        run(tmp_path, STEPS + 2)
    model = minicnn.load_model(tmp_path / "ck" / "run_0001" / "epoch_00001_step_0000001.minicnn", kernels="numpy_ref")
    assert (model.epochs_done, model.steps_done) == (1, STEPS + 1)


def test_a_state_that_no_file_can_hold_is_refused_before_training(tmp_path):
    class Odd(callbacks.Callback):
        def get_state(self):
            return {"seen": {1, 2}}

    model = small(kernels="numpy_ref")
    with pytest.raises(ArgumentTypeError, match=r"\['callbacks'\]\['0'\]\['seen'\]: expected numbers, strings"):
        model.fit(X, Y, verbose=0, callbacks=[Odd()], checkpoint=tmp_path)
    assert model.steps_done == 0


def test_a_metric_whose_state_no_file_can_hold_is_refused_before_training(tmp_path):
    class Odd(minicnn.metrics.Metric):
        def __init__(self):
            self.seen = set()
            super().__init__("odd")

        def get_config(self):
            return {}

        def reset_state(self):
            self.seen = set()

        def update_state(self, y_true, y_pred, sample_weight=None):
            pass

        def result(self):
            return 0.0

    model = small(kernels="numpy_ref")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=[Odd()])
    with pytest.raises(ArgumentTypeError, match=r"\['metrics'\]\['0'\]\['seen'\]: expected numbers, strings"):
        model.fit(X, Y, verbose=0, checkpoint=tmp_path)
    assert model.steps_done == 0


def test_a_callback_without_state_begins_anew_and_that_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("minicnn.notes._said", set())

    class Mine(callbacks.Callback):
        pass

    with pytest.raises(Stop):
        run(tmp_path, STEPS + 1, more=[Mine()])
    run(tmp_path, more=[Mine()])
    assert "Mine has no get_state and set_state: it begins anew" in capsys.readouterr().err


def test_learning_rates_of_a_scheduler(tmp_path):
    def trained(folder, after=None):
        model = small(kernels="numpy_ref")
        rates = callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5)
        options = folder and CheckpointOptions(folder, save_every=0)
        history = model.fit(X, Y, 8, epochs=3, verbose=0, callbacks=[rates, StopAfter(after)], checkpoint=options)
        return state(model), history.history

    expected = trained(None)
    for after in (2, STEPS, 3):
        with pytest.raises(Stop):
            trained(tmp_path, after)
    assert trained(tmp_path) == expected


def test_backup_and_restore(tmp_path):
    def trained(after=None, **how):
        model = small(kernels="numpy_ref")
        backup = callbacks.BackupAndRestore(tmp_path / "backup", **how)
        history = model.fit(X, Y, 8, epochs=3, verbose=0, callbacks=[backup, StopAfter(after)])
        return state(model), history.history

    whole = small(kernels="numpy_ref")
    expected = whole.fit(X, Y, 8, epochs=3, verbose=0).history
    with pytest.raises(Stop):
        trained(STEPS + 1)
    assert trained() == (state(whole), expected)
    assert not list((tmp_path / "backup").rglob("*.minicnn"))  # a run that has ended leaves none
    with pytest.raises(Stop):
        trained(STEPS + 3, save_freq=2)
    newest = sorted((tmp_path / "backup").rglob("epoch*"))[-1]
    assert newest.name == "epoch_00001_step_0000002.minicnn"
    assert trained(save_freq=2, delete_checkpoint=False) == (state(whole), expected)
    with pytest.raises(ArgumentError, match="one of checkpoint= and BackupAndRestore"):
        whole.fit(X, Y, callbacks=[callbacks.BackupAndRestore(tmp_path)], checkpoint=tmp_path)


def test_the_best_epoch_is_kept(tmp_path):
    history = run(tmp_path)[1][1]
    best = minicnn.load_model(tmp_path / "ck" / "run_0001" / "best.minicnn", kernels="numpy_ref")
    assert best.epochs_done == 1 + int(np.argmin(history["val_loss"]))


def test_what_is_better_than_the_last_epoch_is_not_the_best(tmp_path):
    class Losses(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_loss"] = (3.0, 1.0, 5.0, 4.0)[epoch]

    run(tmp_path, epochs=4, more=[Losses()])
    best = minicnn.load_model(tmp_path / "ck" / "run_0001" / "best.minicnn", kernels="numpy_ref")
    assert best.epochs_done == 2


def test_a_file_system_without_links_gets_a_copy(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "no links")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "a").write_text("1")
    files.second_name(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "1"
    assert len(list(tmp_path.iterdir())) == 2
