"""Flow: images and labels as augmented batches, for `fit` or by hand."""

import functools
import math
import os
import secrets
from collections.abc import Iterator
from typing import Any

import numpy as np

from minicnn.kernels.contract import SHUFFLE, stream

from ..aliases import ArrayLike
from ..arguments import array, flag, path, shown, whole
from ..arguments import seed as checked_seed
from ..errors import ArgumentError, DataError, MissingDataError, ShapeError, one_of, require
from . import images
from .batches import batch_slices, check_images, check_lengths
from .image_files import ImageFiles

SAVE_FORMAT = functools.partial(one_of, known=("png", "jpg", "jpeg"))


def prefix(where: str, value: str) -> str:
    """The beginning of a file's name, in no other folder."""
    ok = isinstance(value, str) and not set(value) & set("/\\\0")
    require(ok, where, "the beginning of a file's name", shown(value), error=ArgumentError)
    return value


def part(where: str, value: str | None) -> str | None:
    """A `subset`."""
    return None if value is None else one_of(where, value, ("training", "validation"))


@functools.cache
def host() -> Any:
    """The CPU backend on which parameters are drawn, and batches that are iterated by hand are made."""
    from minicnn.backend.select import select

    return select("cpu")


class Flow:
    """Batches of x (N, H, W, C), augmented, with the rows of y (N, ...) and sample_weight (N,) that belong to them.

    `fit` calls `batch`, with its own rows, seed and step. By hand, `next(flow)` never ends: it goes through flow[0] to
    flow[len(flow) - 1], each epoch in a new order if `shuffle`; the last batch of an epoch may be shorter. The same
    seed gives the same batches, and flow[i] is the same until on_epoch_end.

    n, batch_size, shuffle, x (uint8 as given, else float32), y, sample_weight, seed (None draws one), epoch
    save_to_dir  a folder for every picture that is made, as <save_prefix>_<row>_<step>.<save_format>; None: none
    Raises ShapeError, DataError, ArgumentError.
    """

    y_is_x = False  # whether the target of a picture is the picture itself

    def __init__(self, generator: Any, x: ArrayLike | ImageFiles, y: ArrayLike | None = None, batch_size: int = 32,
                 shuffle: bool = True, sample_weight: ArrayLike | None = None, seed: int | None = None,
                 save_to_dir: str | os.PathLike | None = None, save_prefix: str = "",
                 save_format: str = "png"):  # fmt: skip
        x = x if isinstance(x, ImageFiles) else array("flow: x", x, error=DataError)
        require(
            x.ndim == 4, "flow: x", "shape (N, H, W, C)", x.shape,
            "add the missing axis, as in x[..., None] or x.reshape(-1, 28, 28, 1)", error=ShapeError,
        )  # fmt: skip
        y = None if y is None else array("flow: y", y, error=DataError)
        if sample_weight is not None:
            sample_weight = array("flow: sample_weight", sample_weight, error=DataError)
        self.n = check_lengths("flow", x=x, y=y, sample_weight=sample_weight)
        require(self.n > 0, "flow: x", "at least one image", "none", error=DataError)
        require(math.prod(x.shape) > 0, "flow: x", "images of at least one pixel", f"shape {x.shape}")
        if not isinstance(x, ImageFiles):
            check_images(x, "flow: x")
            x = x if x.dtype in (np.uint8, np.float32) else x.astype(np.float32)
        batch_size = whole("flow: batch_size", batch_size)
        self.image_data_generator = generator
        self.x = x
        self.y, self.sample_weight = y, None if sample_weight is None else self._checked_weights(sample_weight)
        self.batch_size, self.shuffle = batch_size, flag("flow: shuffle", shuffle)
        self.save_to_dir = None if save_to_dir is None else path("flow: save_to_dir", save_to_dir)
        ok = self.save_to_dir is None or os.path.isdir(self.save_to_dir)
        require(ok, "flow: save_to_dir", "a folder that is there", self.save_to_dir, error=MissingDataError)
        self.save_prefix = prefix("flow: save_prefix", save_prefix)
        self.save_format = SAVE_FORMAT("flow: save_format", save_format)
        seed = checked_seed("flow: seed", seed)
        self.seed = secrets.randbits(32) if seed is None else seed
        self.reset()

    @property
    def batch_size(self) -> int:
        return self._batch_size

    @batch_size.setter
    def batch_size(self, value: int) -> None:
        self._slices, self._batch_size = batch_slices(self.n, value), value
        self._next = 0

    def _checked_weights(self, weights: np.ndarray) -> np.ndarray:
        require(weights.shape == (self.n,), "flow: sample_weight", f"shape ({self.n},)", weights.shape)
        finite = bool(np.isfinite(weights).all())
        require(finite, "flow: sample_weight", "finite numbers", "NaN or infinity", error=DataError)
        return weights

    def __len__(self) -> int:
        return len(self._slices)

    def batch(self, be: Any, rows: np.ndarray, seed: int, step: int, row: int = 0,
              pass_index: int = 0) -> tuple[Any, np.ndarray | None]:  # fmt: skip
        """(x, y) of these rows as step `step` of a training with `seed` sees them; x on `be`, y None without labels.

        row   how many rows of the step's batch come before these
        pass_index  how many passes through all rows came before this one
        """
        x = self.image_data_generator.augment(be, self.x[rows], seed, step, row, rows=rows, pass_index=pass_index)
        if self.save_to_dir is not None:
            for row, picture in zip(rows.tolist(), be.to_numpy(x), strict=True):
                name = f"{self.save_prefix}_{row}_{step}.{self.save_format}"
                images.save_img(os.path.join(self.save_to_dir, name), picture)
        return x, None if self.y is None else self.y[rows]

    def __getitem__(self, index: int) -> Any:
        """Batch `index` of the present epoch: x, or (x, y), or (x, y, sample_weight); x float32."""
        require(
            -len(self) <= index < len(self), "flow", f"a batch number below {len(self)}", index, error=ArgumentError
        )
        index %= len(self)
        rows = self._order[self._slices[index]]
        x, y = self.batch(host(), rows, self.seed, self.epoch * len(self) + index, pass_index=self.epoch)
        if y is None:
            return x
        return (x, y) if self.sample_weight is None else (x, y, self.sample_weight[rows])

    def in_order(self, steps: int) -> Iterator[Any]:
        """x of the first `steps` batches with the draws of the present epoch, rows in their order; then on_epoch_end.

        What has been drawn before counts for nothing, and each call sees other draws.
        """
        for index, rows in enumerate(self._slices[:steps]):
            step = self.epoch * len(self) + index
            yield self.batch(host(), np.arange(self.n)[rows], self.seed, step, pass_index=self.epoch)[0]
        self.on_epoch_end()

    def __iter__(self):
        return self

    def next(self) -> Any:
        """The next batch: Keras 2's spelling of next(flow)."""
        return next(self)

    def __next__(self) -> Any:
        batch = self[self._next]
        self._next += 1
        if self._next == len(self):
            self.on_epoch_end()
        return batch

    def on_epoch_end(self) -> None:
        """Begin the next epoch, in a new order if `shuffle`."""
        self._begin(self.epoch + 1)

    def reset(self) -> None:
        """Back to the first batch of the first epoch."""
        self._begin(0)

    def _begin(self, epoch: int) -> None:
        self.epoch, self._next = epoch, 0
        self._order = np.arange(self.n)
        if self.shuffle:
            words = host().philox(self.n, host().key(self.seed, epoch, stream(SHUFFLE)))
            self._order = np.argsort(words, kind="stable")  # ties by row
