"""Fixtures of the parity tests: two processes with the real Keras, models with equal weights, and the yardstick."""

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

import minicnn as mc
from minicnn.backend.cpu import CPU

from .networks import build
from .wire import receive, send

ROOT = Path(__file__).parents[2]
WORST = pytest.StashKey[dict]()


class Keras:
    """A process that holds Keras on JAX in one float type.  keras(task, arrays, **options) -> (header, arrays)."""

    def __init__(self, dtype: str, home: str):
        env = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "KERAS_HOME": home, "COLUMNS": "200"}
        env["JAX_ENABLE_X64"] = "1" if dtype == "float64" else "0"
        command = [sys.executable, "-m", "tests.parity.keras_worker", dtype]
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close)
        self.process = subprocess.Popen(command, cwd=ROOT, env=env, stdin=-1, stdout=-1, stderr=self.log)

    def __call__(self, task: str, arrays: dict | None = None, **options):
        try:
            send(self.process.stdin, {"task": task, "options": options}, arrays or {})
            answer = receive(self.process.stdout)
        except BrokenPipeError:
            answer = None
        if answer is None:
            self.log.seek(0)
            pytest.fail("the Keras process ended:\n" + self.log.read().decode(errors="replace")[-3000:])
        assert "error" not in answer[0], answer[0]["error"]
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(600)
        self.log.close()


@pytest.fixture(scope="session")
def _keras(tmp_path_factory):
    for package in ("keras", "jax"):  # not imported here: each float type gets a process of its own
        if importlib.util.find_spec(package) is None:
            pytest.skip(f'could not import "{package}": pip install -e ".[test,parity]"')
    home = str(tmp_path_factory.mktemp("keras"))
    both = {dtype: Keras(dtype, home) for dtype in ("float64", "float32")}
    for dtype, keras in both.items():
        assert keras("versions")[0]["dtype"] == dtype
    yield both
    for keras in both.values():
        keras.close()


@pytest.fixture
def keras64(_keras):
    return _keras["float64"]


@pytest.fixture
def keras32(_keras):
    return _keras["float32"]


@pytest.fixture(params=["float64", "float32"])
def dtype(request):
    """float64 runs numpy_ref, the definition; float32 runs numba_cpu."""
    return request.param


@pytest.fixture
def keras(_keras, dtype):
    return _keras[dtype]


def device(dtype: str) -> CPU:
    backend = CPU("numpy_ref", "float64") if dtype == "float64" else CPU("numba_cpu", "float32")
    if dtype == "float32":
        lacking = {k for k, v in backend.table().items() if v != "numba_cpu"}
        assert not lacking & {"conv2d", "max_pool", "dense", "batch_norm_train", "adam_step"}, lacking
    return backend


def model_in(dtype: str, what: str, seed: int = 5):
    """A minicnn model with weights that are neither 0 nor 1: biases, gammas, averages and alphas move by up to .2.

    A single number is Normalization's count, which is a whole one in Keras, and stays.
    """
    model = build(mc, what, seed=seed, device=device(dtype))
    rng = np.random.default_rng(seed)
    model.set_weights([w if w.ndim in (0, 2, 4) else w + rng.uniform(0, 0.2, w.shape) for w in model.get_weights()])
    return model


def images(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """n real digits in [0, 1], (n, 28, 28, 1), and their one-hot labels."""
    x, y = mc.data.digits.load_data()
    rows = np.random.default_rng(seed).permutation(len(x))[:n]
    return (x[rows] / 255.0).astype(np.float32), np.eye(10, dtype=np.float32)[y[rows]]


class Yardstick:
    """Compares, remembers the largest deviation of each kind, and fails beyond the bound."""

    def __init__(self, worst: dict):
        self.worst = worst

    def _check(self, kind, where, value, bound):
        if value >= self.worst.get(kind, (-1.0, 0, ""))[0]:
            self.worst[kind] = (value, bound, where)
        assert value <= bound, f"{kind}: {where}: {value:.3g}, expected at most {bound:g}"

    def relative(self, kind, where, ours, theirs, bound):
        """Both |ours - theirs|_2 / |theirs|_2 and the largest element's difference relative to the largest element."""
        ours, theirs = self._pair(where, ours, theirs)
        for norm in (np.linalg.norm, lambda a: np.abs(a).max(initial=0)):
            size, off = norm(theirs), norm(ours - theirs)
            self._check(kind, where, float(off / size) if size else float(off), bound)

    def l2(self, kind, where, ours, theirs, bound):
        ours, theirs = self._pair(where, ours, theirs)
        size, off = np.linalg.norm(theirs), np.linalg.norm(ours - theirs)
        self._check(kind, where, float(off / size) if size else float(off), bound)

    def absolute(self, kind, where, ours, theirs, bound):
        ours, theirs = self._pair(where, ours, theirs)
        self._check(kind, where, float(np.abs(ours - theirs).max(initial=0)), bound)

    @staticmethod
    def _pair(where, ours, theirs):
        ours, theirs = np.asarray(ours), np.asarray(theirs)
        assert ours.shape == theirs.shape, f"{where}: shape {ours.shape}, Keras has {theirs.shape}"
        ours, theirs = np.float64(ours).ravel(), np.float64(theirs).ravel()
        assert np.isfinite(theirs).all(), f"{where}: Keras's own values are not finite"
        return ours, theirs


@pytest.fixture
def yardstick(request):
    return Yardstick(request.config.stash.setdefault(WORST, {}))


def pytest_terminal_summary(terminalreporter, config):
    worst = config.stash.get(WORST, {})
    if worst:
        terminalreporter.section("parity with Keras: largest deviations")
        for kind, (value, bound, where) in sorted(worst.items()):
            terminalreporter.write_line(f"{kind:<44} {value:8.1e}  of {bound:.0e}  at {where}")
