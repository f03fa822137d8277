"""The contestants, each in a process of its own that stays alive and answers requests in turn."""

import contextlib
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from machine import ENVIRONMENT

ROOT = Path(__file__).parents[1]
LIMIT = 300  # s that a request may take; then the process is ended and the contestant has failed
# glibc's malloc returns large blocks to the system at once, and every new one is paid in page faults. PyTorch's own
# tuning guide replaces malloc; this has the same effect: its prediction becomes 2.5 times as fast, training .95.
KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": "4000000000", "MALLOC_MMAP_THRESHOLD_": "4000000000"}
WAYS = ("generator", "tf.data", "layers")
# name: (script, options, environment; None takes a variable away)
PEERS = {
    "minicnn": ("minicnn_peer.py", {"kernels": "numba_cpu"}, {}),
    "minicnn-haswell": ("minicnn_peer.py", {"kernels": "numba_cpu"}, {"OPENBLAS_CORETYPE": "Haswell"}),
    "keras-tensorflow": ("keras_peer.py", {"backend": "tensorflow", "ways": WAYS}, {"KERAS_BACKEND": "tensorflow"}),
    "keras-jax": ("keras_peer.py", {"backend": "jax", "ways": WAYS}, {"KERAS_BACKEND": "jax"}),
    "keras-torch": ("keras_peer.py", {"backend": "torch", "ways": WAYS}, KEEP_MEMORY | {"KERAS_BACKEND": "torch"}),
    "torch": ("torch_peer.py", {"compile": False}, KEEP_MEMORY),
    "torch-compile": ("torch_peer.py", {"compile": True}, KEEP_MEMORY),
    "numpy_ref": ("minicnn_peer.py", {"kernels": "numpy_ref"}, {}),
}
OURS = ("minicnn", "minicnn-haswell", "numpy_ref")
DEFAULT = tuple(name for name in PEERS if name != "numpy_ref")  # the definition; it takes half a second per step


class PeerError(Exception):
    """A worker that ended or failed: its traceback or the end of what it printed."""

    @property
    def reason(self) -> str:
        """The last line that names an error, else the last line."""
        lines = [line.strip() for line in str(self).strip().splitlines()]
        return next((line for line in reversed(lines) if re.match(r"[\w.]*(Error|Exception)\b", line)), lines[-1])[:300]


class MissingError(PeerError):
    """A worker whose library is not installed."""


class Peer:
    """peer.ask("train", steps=20) -> the answer; the latest peak memory and CPU seconds are kept."""

    def __init__(self, name: str, python: str, settings: dict):
        self.began = time.perf_counter()
        script, options, own = PEERS[name]
        self.name, self.peak_memory, self.cpu_seconds = name, 0, 0.0
        self.log = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 (closed by close)
        command = [python, str(ROOT / "benchmarks" / "workers" / script)]
        env = environment(own)
        self.process = subprocess.Popen(command, env=env, stdin=-1, stdout=-1, stderr=self.log, text=True)
        self.about = self._request(what="start", options=options, **settings)
        self.about.pop("seconds")

    def ask(self, what: str, **arguments):
        return self._request(what=what, **arguments)["answer"]

    def _request(self, **request) -> dict:
        line, late = "", threading.Timer(LIMIT, self.process.kill)
        late.start()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        late.cancel()
        if not line:
            self.log.seek(0)
            said = self.log.read()[-2000:]
            missing = "ModuleNotFoundError" in said
            self.close()
            raise (MissingError if missing else PeerError)(f"{self.name} ended or took {LIMIT} s:\n{said}")
        answer = json.loads(line)
        self.peak_memory, self.cpu_seconds = answer.pop("peak_memory"), answer.pop("cpu_seconds")
        if "missing" in answer or "error" in answer:
            self.close()
            kind = MissingError if "missing" in answer else PeerError
            raise kind(f"{self.name}: {answer.get('missing') or answer['error']}")
        return answer

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


def environment(own: dict) -> dict:
    """What a contestant's process gets: the caller's environment, OpenBLAS free to choose its kernels, `own`."""
    free = {name: value for name, value in ENVIRONMENT.items() if name != "OPENBLAS_CORETYPE"}
    return free | {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONPATH": str(ROOT)} | own


def executables(given: list[str]) -> dict[str, str]:
    """The Python of each peer from the --python options: PATH (of all but minicnn's own) or NAME=PATH."""
    chosen = dict.fromkeys(PEERS, sys.executable)
    for option in given:
        name, _, path = option.rpartition("=")
        if name and name not in PEERS:
            raise SystemExit(f"--python: expected one of {', '.join(PEERS)} before =, received {name}")
        for peer in [name] if name else [p for p in PEERS if p not in OURS]:
            chosen[peer] = path
    return chosen


def import_seconds(name: str, python: str) -> float:
    """Seconds that the contestant's import statement takes in a fresh process."""
    module = {"keras_peer.py": "keras", "minicnn_peer.py": "minicnn", "torch_peer.py": "torch"}[PEERS[name][0]]
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    found = subprocess.run([python, "-c", code], env=environment(PEERS[name][2]), capture_output=True, text=True)
    if found.returncode:
        raise PeerError(found.stderr or f"{name}: exit code {found.returncode}")
    return float(found.stdout.split()[-1])
