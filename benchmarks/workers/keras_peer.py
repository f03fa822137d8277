"""Keras on the backend that the environment variable KERAS_BACKEND names, and its three ways to augment.

      generator   ImageDataGenerator.flow, as the documented script has it
      tf.data     the Random* layers in Dataset.map, in parallel and prefetched
      layers      the Random* layers as the model's first layers
"""

import importlib
import os

import keras
from keras_like import KerasLike
from protocol import seconds_per_batch, serve


class Keras(KerasLike):
    tail = {"generator": 10, "tf.data": 10}  # noqa: RUF012

    def __init__(self, problem, backend, ways):
        assert keras.backend.backend() == backend
        self.backend, self.ways = importlib.import_module(backend), ways if problem.recipe.augmentation else ()
        super().__init__(keras, problem)
        self.augmenting = None  # the model of the way "layers"

    def describe(self):
        threads = f"{os.cpu_count()} CPUs, the backend's default"
        if self.backend.__name__ == "torch":
            threads = f"{self.backend.get_num_threads()} threads"
        versions = {"keras": keras.__version__, self.backend.__name__: self.backend.__version__}
        return {"versions": versions, "threads": threads}

    def source(self, way, batches):
        if way == "generator":
            return self.model, {"x": self._flow(batches)}
        if way == "tf.data":
            return self.model, {"x": self._dataset(batches)}
        if self.augmenting is None:
            optimizer = self.problem.recipe.make_optimizer(keras)
            self.augmenting = self.compiled(optimizer, keras, before=self._layers())
        rows = self.problem.rows(batches)
        data = {"x": self.problem.x[rows], "y": self.problem.y[rows], "batch_size": self.problem.recipe.batch_size}
        return self.augmenting, data

    def augment(self, batches, way):
        if way == "layers":
            return None
        source = iter(self._flow(batches) if way == "generator" else self._dataset(batches).repeat())

        def one_pass():
            for _ in range(batches):
                next(source)

        return seconds_per_batch(one_pass, batches)

    def _flow(self, batches):
        from keras.src.legacy.preprocessing.image import ImageDataGenerator  # Keras 3 has no public name for it

        problem, rows = self.problem, self.problem.rows(batches)
        generator = ImageDataGenerator(**problem.recipe.augmentation)
        return generator.flow(problem.x[rows], problem.y[rows], batch_size=problem.recipe.batch_size)

    def _dataset(self, batches):
        import tensorflow as tf

        problem, rows = self.problem, self.problem.rows(batches)
        layers, parallel = self._layers(), tf.data.AUTOTUNE

        def augmented(x, y):
            for layer in layers:
                x = layer(x, training=True)
            return x, y

        data = tf.data.Dataset.from_tensor_slices((problem.x[rows], problem.y[rows])).shuffle(rows.stop)
        data = data.batch(problem.recipe.batch_size, drop_remainder=True)
        return data.map(augmented, num_parallel_calls=parallel).prefetch(parallel)

    def _layers(self):
        ranges, nn = self.problem.recipe.augmentation, keras.layers
        zoom, fill = ranges["zoom_range"], {"fill_mode": "nearest", "interpolation": "bilinear"}
        return [
            nn.RandomRotation(ranges["rotation_range"] / 360, **fill),
            nn.RandomZoom((-zoom, zoom), (-zoom, zoom), **fill),
            nn.RandomTranslation(ranges["height_shift_range"], ranges["width_shift_range"], **fill),
        ]


serve(Keras)
