"""minicnn, one kernel set."""

import numba
import numpy
from network import KerasLike
from protocol import serve

import minicnn


class Minicnn(KerasLike):
    def __init__(self, problem, kernels):
        super().__init__(minicnn, problem, seed=1, device="cpu", kernels=kernels)

    def describe(self):
        versions = {"minicnn": minicnn.__version__, "numpy": numpy.__version__, "numba": numba.__version__}
        return {"versions": versions, "threads": self.model.backend.describe()}


serve(Minicnn)
