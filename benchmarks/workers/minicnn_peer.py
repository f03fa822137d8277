"""minicnn, one kernel set."""

import numba
import numpy
from keras_like import KerasLike
from protocol import seconds_per_batch, serve

import minicnn


class Minicnn(KerasLike):
    ways = ("generator",)

    def __init__(self, problem, kernels):
        super().__init__(minicnn, problem, seed=1, device="cpu", kernels=kernels)
        if not problem.recipe.augmentation:
            self.ways = ()

    def describe(self):
        versions = {"minicnn": minicnn.__version__, "numpy": numpy.__version__, "numba": numba.__version__}
        return {"versions": versions, "threads": self.model.backend.describe()}

    def source(self, way, batches):
        return self.model, {"x": self._flow(batches)}

    def augment(self, batches, way):
        flow = self._flow(batches)
        be, order = self.model.backend, numpy.random.default_rng(0).permutation(flow.n).reshape(batches, -1)

        def one_pass():
            for step, rows in enumerate(order):
                flow.batch(be, rows, 1, step)

        with be.running():
            return seconds_per_batch(one_pass, batches)

    def _flow(self, batches):
        """As examples/train_kaggle.py: bytes stay bytes until they are warped."""
        problem, rows = self.problem, self.problem.rows(batches)
        generator = minicnn.data.ImageDataGenerator(**problem.recipe.augmentation, rescale=1 / 255)
        return generator.flow(problem.images[rows], problem.y[rows], problem.recipe.batch_size, seed=1)


serve(Minicnn)
