"""Many pictures on disk, read as if they were one uint8 array: x[rows], decoded by threads, kept while they fit."""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from ..errors import DataError, MissingDataError, require
from ..notes import note
from . import images

THREADS = min(8, (os.cpu_count() or 1) + 1)  # Pillow decodes without the interpreter's lock
CACHE = 1 << 30  # bytes of decoded pictures that are kept


class ImageFiles:
    """The pictures at `paths`, decoded to (H, W, C) when rows of them are asked for.

    paths       one file each
    size        (H, W) in px, to which each is brought
    color_mode, interpolation, keep_aspect_ratio   see images.load_img
    cache       bytes of decoded pictures that may be kept; those that were decoded first stay

    `shape`, `dtype`, `ndim`, `len` and `x[rows]` are those of an array (N, H, W, C) of uint8, or int32 for greys of 16
    bits.  `prefetch(rows)` begins to decode them in the background: what was asked for before and not used is dropped.
    Raises DataError that names the file, for one that is no picture.
    """

    def __init__(self, paths: Sequence[str], size: tuple[int, int], color_mode: str = "rgb",
                 interpolation: str = "nearest", keep_aspect_ratio: bool = False, cache: int = CACHE):  # fmt: skip
        require(len(paths) > 0, "images", "at least one file", "none", error=DataError)
        self.paths = list(paths)
        self.options = {"color_mode": color_mode, "target_size": tuple(size), "interpolation": interpolation,
                        "keep_aspect_ratio": keep_aspect_ratio}  # fmt: skip
        self.shape = (len(self.paths), *size, images.CHANNELS[color_mode])
        self.ndim, self.dtype = 4, np.dtype(np.uint8)
        self.broken: set[int] = set()  # rows that `readable` left out
        self._left, self._kept = cache, {}
        self._coming: dict[int, Future] = {}
        self._pool: ThreadPoolExecutor | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, rows) -> np.ndarray:
        """Pictures `rows` (a slice or an array of numbers) as an array (n, H, W, C)."""
        rows = np.arange(len(self))[rows]
        if rows.ndim == 0:
            return self[rows[None]][0]
        self._begin(rows.tolist())
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        for place, row in enumerate(rows.tolist()):
            kept = self._kept.get(row)
            if kept is None:
                kept = self._coming.pop(row).result() if row in self._coming else self.decode(row)
                self._keep(row, kept)
            out[place] = self.placed(kept)
        return out

    def placed(self, picture: np.ndarray) -> np.ndarray:
        """A decoded picture as x[rows] has it."""
        return picture

    def readable(self, rows: np.ndarray) -> np.ndarray:
        """`rows` without those whose file is no picture, which a note names, once each."""
        self._begin(rows.tolist())
        for row in rows.tolist():
            if row in self._coming:
                try:
                    self._coming[row].result()
                except (DataError, MissingDataError) as cause:
                    self.broken.add(row)
                    self._coming.pop(row)
                    note(f"{cause}: it is left out")
        return rows[[row not in self.broken for row in rows.tolist()]] if self.broken else rows

    def prefetch(self, rows: np.ndarray) -> None:
        """Begin to decode `rows`; what was on its way and is not among them is dropped."""
        wanted = dict.fromkeys(rows.tolist())
        for row in [row for row in self._coming if row not in wanted]:
            self._coming.pop(row).cancel()
        self._begin(wanted)

    def _begin(self, rows: Iterable[int]) -> None:
        missing = [r for r in rows if r not in self._kept and r not in self._coming and r not in self.broken]
        if not missing:
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(THREADS, "minicnn-images")
        for row in missing:
            self._coming[row] = self._pool.submit(self.decode, row)

    def decode(self, row: int) -> np.ndarray:
        """Picture `row` from its file."""
        image = images.load_img(self.paths[row], **self.options)
        return images.img_to_array(image, dtype=self.dtype)

    def _keep(self, row: int, picture: np.ndarray) -> None:
        if picture.nbytes <= self._left:
            self._kept[row] = picture
            self._left -= picture.nbytes
