"""Keras on the backend that the environment variable KERAS_BACKEND names."""

import importlib
import os

import keras
from network import KerasLike
from protocol import serve


class Keras(KerasLike):
    def __init__(self, problem, backend):
        assert keras.backend.backend() == backend
        self.backend = importlib.import_module(backend)
        super().__init__(keras, problem)

    def describe(self):
        threads = f"{os.cpu_count()} CPUs, the backend's default"
        if self.backend.__name__ == "torch":
            threads = f"{self.backend.get_num_threads()} threads"
        versions = {"keras": keras.__version__, self.backend.__name__: self.backend.__version__}
        return {"versions": versions, "threads": threads}


serve(Keras)
