"""Processes: forked before and after the threads have started, by every way that Python has; and Numba's own layers.

Each program runs in a process of its own, where nothing has been computed yet; what hangs is killed.
"""

import multiprocessing
import os
import subprocess
import sys

import pytest

LIMIT = 300  # s until a hanging program is killed; a loaded machine compiles for minutes

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")

PRELUDE = """
import concurrent.futures, multiprocessing, os, sys
import numpy as np
import minicnn
from minicnn import layers as L

x = np.random.default_rng(0).random((40, 9, 9, 1)).astype(np.float32)
y = np.arange(40) % 3

def net(augmented=False):
    net = minicnn.Sequential([L.Input((9, 9, 1)), L.Conv2D(4, 3, activation="relu"), L.MaxPooling2D(2), L.Flatten(),
                              L.Dense(3, activation="softmax")], seed=0)
    net.compile("adam", "sparse_categorical_crossentropy")
    return net

model = net()

def predict(part):
    return model.predict(part, verbose=0)

def fit(part):
    again = net()
    again.fit(part, y[:len(part)], verbose=0, epochs=2)
    return again.predict(part, verbose=0)

def augment(seed):
    flow = minicnn.data.ImageDataGenerator(rotation_range=20).flow(x, y, batch_size=20, seed=seed)
    return next(flow)[0]

def nested(part):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, predict(part).tobytes())
        os._exit(0)
    os.waitpid(child, 0)
    return np.frombuffer(os.read(read, 1 << 16), np.float32).reshape(-1, 3)

def same(results, wanted):
    assert len(results) == len(wanted)
    for result, want in zip(results, wanted):
        np.testing.assert_array_equal(result, want)

if __name__ == "__main__":
    parts = [x[:20], x[20:]]
"""

POOL = """
    {first}
    with multiprocessing.get_context("{way}").Pool(2) as pool:
        found = pool.map({work}, {inputs})
    same(found, [{work}(one) for one in {inputs}])
"""
FUTURES = """
    predict(x)
    with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        found = list(pool.map(predict, parts))
    same(found, [predict(part) for part in parts])
"""
BY_HAND = """
    wanted = fit(x)
    from minicnn.kernels.numba_cpu import relu
    from minicnn.kernels.numba_cpu.runtime import thread_pool
    large = np.ones(1 << 20, np.float32)
    relu(large)  # from its first call on a kernel has no guard, until the fork
    child = os.fork()
    if child == 0:
        ok = np.array_equal(relu(large), large) and np.array_equal(fit(x), wanted)
        ok = ok and thread_pool.alone() and model.backend.thread_count() == 1
        import threading
        seen = []
        thread = threading.Thread(target=lambda: seen.append(np.array_equal(fit(x), wanted)))
        thread.start(); thread.join()
        os._exit(0 if ok and seen == [True] else 1)
    assert os.waitpid(child, 0)[1] == 0
    same([fit(x)], [wanted])
"""
BEFORE = """
    child = os.fork()
    if child == 0:
        predict(x)
        from minicnn.kernels.numba_cpu.runtime import thread_pool
        os._exit(thread_pool.alone())
    assert os.waitpid(child, 0)[1] == 0
"""
USERS = """
    import numba
    numba.get_num_threads()  # a user's own code has started the threads, minicnn has not computed yet
    child = os.fork()
    if child == 0:
        predict(x)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""


def run(tmp_path, program, **environment):
    path = tmp_path / "program.py"
    path.write_text(PRELUDE + program + '    print("done")\n')
    settings = os.environ | {"PYTHONPATH": os.pathsep.join([os.getcwd(), *sys.path]), "NUMBA_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, str(path)], env=settings | environment, capture_output=True, text=True,
                          timeout=LIMIT, check=False)  # fmt: skip
    assert done.stdout.strip() == "done", done.stderr[-2000:]


def layers():
    try:
        from numba.np.ufunc import tbbpool  # noqa: F401

        return ["omp", "workqueue", "tbb"]
    except ImportError:
        return ["omp", "workqueue"]


@pytest.mark.parametrize(
    ("first", "work", "inputs"),
    [
        ("predict(x)", "predict", "parts"), pytest.param("fit(x)", "fit", "parts", marks=pytest.mark.slow),
        ("predict(x)", "augment", "[1, 2]"), pytest.param("predict(x)", "nested", "parts", marks=pytest.mark.slow),
    ],
    ids=["predict", "fit", "augment", "grandchildren"],
)  # fmt: skip
def test_pool_of_forked_processes(first, work, inputs, tmp_path):
    run(tmp_path, POOL.format(way="fork", first=first, work=work, inputs=inputs))


@pytest.mark.slow
@pytest.mark.parametrize("way", [way for way in multiprocessing.get_all_start_methods() if way != "fork"])
def test_pool_of_other_processes(way, tmp_path):
    run(tmp_path, POOL.format(way=way, first="predict(x)", work="predict", inputs="parts"))


@pytest.mark.parametrize("program", [BY_HAND, USERS], ids=["by hand", "users"])
def test_other_forks(program, tmp_path):
    run(tmp_path, program)


@pytest.mark.slow
@pytest.mark.parametrize("layer", layers())
@pytest.mark.parametrize("program", [FUTURES, BY_HAND, BEFORE, USERS], ids=["futures", "by hand", "before", "users"])
def test_every_layer(program, layer, tmp_path):
    run(tmp_path, program, NUMBA_THREADING_LAYER=layer)
