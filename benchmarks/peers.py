"""The contestants, each in a process of its own that stays alive and answers requests in turn."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import ENVIRONMENT

HERE = Path(__file__).parent
# name: (script, options, environment)
PEERS = {
    "numpy_ref": ("minicnn_peer.py", {"kernels": "numpy_ref"}, {}),
    "numba_cpu": ("minicnn_peer.py", {"kernels": "numba_cpu"}, {}),
    "keras-tensorflow": ("keras_peer.py", {"backend": "tensorflow"}, {"KERAS_BACKEND": "tensorflow"}),
    "keras-jax": ("keras_peer.py", {"backend": "jax"}, {"KERAS_BACKEND": "jax"}),
    "keras-torch": ("keras_peer.py", {"backend": "torch"}, {"KERAS_BACKEND": "torch"}),
    "torch": ("torch_peer.py", {"compile": False}, {}),
    "torch-compile": ("torch_peer.py", {"compile": True}, {}),
}
OURS = ("numpy_ref", "numba_cpu")


class PeerError(Exception):
    """A worker that ended or failed: its traceback or the end of what it printed."""


class MissingError(PeerError):
    """A worker whose library is not installed."""


class Peer:
    """peer.ask("train", steps=20) -> the answer; the latest peak memory and CPU seconds are kept."""

    def __init__(self, name: str, python: str, settings: dict):
        began = time.perf_counter()
        script, options, env = PEERS[name]
        self.name, self.peak_memory, self.cpu_seconds = name, 0, 0.0
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed by close)
        paths = [str(HERE.parent)] if name in OURS else []
        env = ENVIRONMENT | {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONPATH": os.pathsep.join(paths)} | env
        command = [python, str(HERE / "workers" / script)]
        self.process = subprocess.Popen(command, env=env, stdin=-1, stdout=-1, stderr=self.log, text=True)
        self.about = self._request(what="start", options=options, **settings)
        self.about.pop("seconds")
        self.start_seconds = time.perf_counter() - began

    def ask(self, what: str, **arguments):
        return self._request(what=what, **arguments)["answer"]

    def _request(self, **request) -> dict:
        line = ""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            said = self.log.read()[-2000:]
            raise (MissingError if "ModuleNotFoundError" in said else PeerError)(f"{self.name} ended:\n{said}")
        answer = json.loads(line)
        self.peak_memory, self.cpu_seconds = answer.pop("peak_memory"), answer.pop("cpu_seconds")
        if "missing" in answer or "error" in answer:
            self.close()
            kind = MissingError if "missing" in answer else PeerError
            raise kind(f"{self.name}: {answer.get('missing') or answer['error']}")
        return answer

    def close(self) -> None:
        self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


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
