"""Python's threads side by side at one model: the same numbers as one after the other, or one sentence."""

import copy
import os
import pickle
import subprocess
import sys
import threading
import traceback
from functools import partial

import numpy as np
import pytest

import minicnn as mc
from minicnn import layers as L
from minicnn.errors import BusyError, MinicnnError
from minicnn.saving import save
from minicnn.training import loop
from minicnn.training.guard import Guard

RNG = np.random.default_rng(0)
X, Y = RNG.random((90, 8, 8, 1)).astype(np.float32), np.arange(90) % 3


def network(**options):
    model = mc.Sequential(
        [
            L.Input((8, 8, 1)), L.Conv2D(4, 3, activation="relu"), L.BatchNormalization(), L.MaxPooling2D(2),
            L.Flatten(), L.Dropout(0.2), L.Dense(3, activation="softmax"),
        ],
        seed=1, **options,
    )  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def together(*works, times=1):
    """Run all works at the same time, each so many times; what each returned.  Raises what any of them raised."""
    start, results, errors = threading.Barrier(len(works)), [[] for _ in works], []

    def run(work, found):
        try:
            start.wait()
            for _ in range(times):
                found.append(work())
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=pair) for pair in zip(works, results, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


def readers(model, folder):
    """Everything that reads a model, as functions that return what can be compared."""
    return {
        "predict": lambda: model.predict(X, verbose=0).tobytes(),
        "predict a part": lambda: model.predict(X[:7], verbose=0, batch_size=2).tobytes(),
        "evaluate": lambda: model.evaluate(X, Y, verbose=0, batch_size=20),
        "evaluate batches": lambda: model.evaluate([(X[:50], Y[:50]), (X[50:], Y[50:])], verbose=0),
        "test_on_batch": lambda: model.test_on_batch(X[:30], Y[:30]),
        "activations": lambda: {name: a.tobytes() for name, a in model.activations(X[:20]).items()},
        "call": lambda: model(X[:20]).tobytes(),
        "get_weights": lambda: [w.tobytes() for w in model.get_weights()],
        "save": lambda: saved(model, folder / f"{threading.get_ident()}.minicnn"),
        "save_weights": lambda: saved(model, folder / f"{threading.get_ident()}.safetensors"),
        "to_json": model.to_json,
        "plan": lambda: str(model.plan(16)),
    }


def saved(model, path):
    (model.save_weights if path.suffix == ".safetensors" else model.save)(path)
    return path.read_bytes()


def check_readers(folder, **options):
    model = network(**options)
    model.fit(X, Y, verbose=0)
    works = readers(model, folder)
    alone = {name: work() for name, work in works.items()}
    twice = [(name, work) for name, work in works.items() for _ in range(2)]
    for (name, _), found in zip(twice, together(*[work for _, work in twice], times=3), strict=True):
        assert found == [alone[name]] * 3, name


def check_beside_fit(folder, **options):
    """A fit with everything else beside it: the bytes of a fit alone, and each saved model one of its steps'."""
    alone, model = network(**options), network(**options)
    steps = []
    keep = mc.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: steps.append(weights_of(alone)))
    steps.append(weights_of(alone))
    alone.fit(X, Y, verbose=0, batch_size=30, epochs=3, callbacks=[keep])
    seen, done = [], threading.Event()

    def fit():
        try:
            model.fit(X, Y, verbose=0, batch_size=30, epochs=3)
        finally:
            done.set()

    def read(work):
        while not done.is_set():
            work()

    def save():
        while True:
            last = done.is_set()
            path = folder / "beside.minicnn"
            model.save(path)
            seen.append(weights_of(mc.load_model(path, **options)))
            if last:
                return

    works = readers(model, folder)
    names = ("predict", "evaluate", "activations", "get_weights")
    together(fit, save, *[lambda name=name: read(works[name]) for name in names])
    assert weights_of(model) == steps[-1]
    assert all(weights in steps for weights in seen)


def weights_of(model):
    return b"".join(w.tobytes() for w in model.get_weights())


def check_models_of_their_own():
    """Models that share nothing: kernels, scratch memory and the pool of buffers stand it."""

    def work():
        model = network()
        model.fit(X, Y, verbose=0, epochs=2, batch_size=40)
        return model.predict(X, verbose=0).tobytes()

    wanted = work()
    assert together(*[work] * 4) == [[wanted]] * 4


@pytest.mark.parametrize("kernels", ["numba_cpu", "numpy_ref"])
def test_readers(kernels, tmp_path):
    check_readers(tmp_path, kernels=kernels, threads=2)


@pytest.mark.parametrize("kernels", ["numba_cpu", "numpy_ref"])
def test_beside_a_fit(kernels, tmp_path):
    check_beside_fit(tmp_path, kernels=kernels, threads=2)


def test_models_of_their_own():
    check_models_of_their_own()


def layers():
    try:
        from numba.np.ufunc import tbbpool  # noqa: F401

        return ["omp", "workqueue", "tbb"]
    except ImportError:
        return ["omp", "workqueue"]


@pytest.mark.slow
@pytest.mark.parametrize("layer", layers())
def test_every_layer_of_numba(layer, tmp_path):
    code = (
        "import pathlib, sys; from tests.training import test_threads as t; folder = pathlib.Path(sys.argv[1]); "
        "t.check_readers(folder); t.check_beside_fit(folder); t.check_models_of_their_own(); "
        "import numba; print(numba.threading_layer())"
    )
    settings = os.environ | {"PYTHONPATH": os.pathsep.join([os.getcwd(), *sys.path]), "NUMBA_THREADING_LAYER": layer,
                             "NUMBA_NUM_THREADS": "2"}  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=settings, capture_output=True, text=True,
                          timeout=600, check=False)  # fmt: skip
    assert done.stdout.strip() == layer, done.stderr[-2000:]


def test_an_unbuilt_model_is_built_once():
    model = mc.Sequential([L.Flatten(), L.Dense(3)], seed=0)
    twin = mc.Sequential([L.Flatten(), L.Dense(3)], seed=0)
    wanted = twin.predict(X, verbose=0).tobytes()
    assert together(*[lambda: model.predict(X, verbose=0).tobytes()] * 6) == [[wanted]] * 6


def test_steps_of_several_threads_are_whole_steps():
    model = network()
    together(*[lambda: model.train_on_batch(X, Y)] * 4, times=3)
    assert model.steps_done == 12
    assert model.optimizer.iterations == 12


def test_what_has_no_meaning_beside_a_fit_is_refused():
    model, errors, tried = network(), {}, threading.Event()
    works = {
        "fit": lambda: model.fit(X, Y, verbose=0), "compile": lambda: model.compile("sgd", "mse"),
        "add": lambda: model.add(L.Dense(2)), "pop": model.pop,
    }  # fmt: skip

    class Meanwhile(mc.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            def others():
                for name, work in works.items():
                    try:
                        work()
                    except MinicnnError as error:
                        errors[name] = error
                tried.set()

            thread = threading.Thread(target=others)
            thread.start()
            thread.join()

    model.fit(X, Y, verbose=0, callbacks=[Meanwhile()])
    assert tried.is_set()
    assert sorted(errors) == sorted(works)
    for name, error in errors.items():
        assert isinstance(error, BusyError)
        assert str(error).startswith(f"{name}: expected a model that no other thread is training")
    model.fit(X, Y, verbose=0)  # and all is free again
    model.compile("sgd", "sparse_categorical_crossentropy")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_that_is_forked_in_the_middle_of_a_step():
    """By another thread than the one that trains: its locks are open in the child, and the model is free."""
    model, inside, go_on = network(), threading.Event(), threading.Event()

    class Waits(L.Layer):
        def call(self, x, *, training):
            if training:
                inside.set()
                go_on.wait()
            return x

    model.add(Waits())
    thread = threading.Thread(target=lambda: model.fit(X, Y, verbose=0))
    model.predict(X[:3], verbose=0)
    thread.start()
    inside.wait()
    child = os.fork()
    if child == 0:
        go_on.set()
        model.predict(X, verbose=0)
        model.fit(X, Y, verbose=0)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    go_on.set()
    thread.join()
    assert status == 0


def test_copies_have_a_guard_of_their_own():
    model = network(kernels="numpy_ref")
    for twin in (copy.deepcopy(model.guard), pickle.loads(pickle.dumps(model.guard))):
        assert twin is not model.guard
        with model.guard:
            together(lambda twin=twin: twin.__enter__() and twin.__exit__())


class Watching(Guard):
    """A guard that notes what files hold whenever it is taken and given back."""

    def __init__(self, model):
        super().__init__()
        self.model, self.depth, self.left, self.strayed = model, 0, None, []

    def held(self):
        document, there = save.training_state(self.model), save.arrays(self.model)
        return repr(document), {name: array.tobytes() for name, array in there.items()}

    def __enter__(self):
        super().__enter__()
        self.depth += 1
        if self.depth == 1 and self.left is not None and self.held() != self.left:
            self.strayed.append("".join(traceback.format_stack(limit=4)))
        return self

    def __exit__(self, *error):
        if self.depth == 1:
            self.left = self.held()
        self.depth -= 1
        super().__exit__(*error)


@pytest.mark.parametrize("way", ["whole", "left and gone on with", "of single batches", "from a checkpoint"])
def test_what_files_hold_changes_under_the_guard_alone(way, tmp_path):
    model = network()
    model.prepare_optimizer()
    guard = model.guard = Watching(model)
    stop = mc.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: setattr(model, "stop_training", batch == 1)
    )
    fit = partial(model.fit, X, Y, verbose=0, batch_size=30, epochs=2)
    if way == "whole":
        fit(validation_data=(X, Y))
    elif way == "left and gone on with":
        fit(callbacks=[stop])
        fit()
    elif way == "of single batches":
        model.train_on_batch(X, Y)
        model(X[:3], training=True)
    else:
        fit(checkpoint=mc.CheckpointOptions(tmp_path, save_steps=1, stop_when=lambda: model.steps_done == 3))
        assert model.steps_done == 3
        fit(checkpoint=tmp_path)
    with guard:
        pass
    assert guard.strayed == []


def test_an_evaluation_reports_what_its_own_pass_has_counted(monkeypatch):
    model, end = network(), loop.RunningLogs.__exit__
    wanted = model.evaluate(X, Y, verbose=0)

    def then_another_thread_begins(logs, *error):
        end(logs, *error)
        for metric in logs.metrics:
            metric.reset_state()

    monkeypatch.setattr(loop.RunningLogs, "__exit__", then_another_thread_begins)
    assert model.evaluate(X, Y, verbose=0) == wanted
