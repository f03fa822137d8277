"""Pictures in folders as a Dataset of batches, under Keras's name.

Source: Keras 3.15, utils/image_dataset_utils.py and dataset_utils.py, whose order of files this is.
"""

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .. import arguments
from ..aliases import Ints
from ..arguments import choice, flag, path, shown, whole
from ..errors import ArgumentError, ArgumentTypeError, DataError, MissingDataError, one_of, require
from . import images
from .dataset import Dataset
from .image_files import ImageFiles
from .pixels import KERNELS, fitted

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")


class _Pictures(ImageFiles):
    """Decoded pictures are kept as they are, uint8; x[rows] are float32 in the wanted size."""

    def __init__(self, paths, size, color_mode: str, interpolation: str, crop, pad):
        super().__init__(paths, size, color_mode)
        self.options: dict[str, Any] = {"color_mode": color_mode}
        self.dtype, self.how = np.dtype(np.float32), (tuple(size), interpolation, crop, pad)

    def decode(self, row: int) -> np.ndarray:
        """Picture `row` from its file."""
        picture = np.array(images.load_img(self.paths[row], **self.options))
        return picture[..., None] if picture.ndim == 2 else picture

    def placed(self, picture: np.ndarray) -> np.ndarray:
        """A decoded picture as x[rows] has it."""
        return fitted(picture, *self.how)


def image_dataset_from_directory(directory: str | os.PathLike, labels: str | Sequence[int] | None = "inferred",
                                 label_mode: str | None = "int", class_names: Sequence[str] | None = None,
                                 color_mode: str = "rgb", batch_size: int | None = 32, image_size: Ints = (256, 256),
                                 shuffle: bool = True, seed: int | None = None, validation_split: float | None = None,
                                 subset: str | None = None, interpolation: str = "bilinear", follow_links: bool = False,
                                 crop_to_aspect_ratio: bool = False, pad_to_aspect_ratio: bool = False,
                                 data_format: str | None = None, format: str = "tf",
                                 verbose: bool = True) -> Any:  # fmt: skip
    """Batches (x, y) of the pictures in `directory`: x float32 (N, H, W, C), 0 .. 255.

    labels       "inferred": one folder per class; a list: one number per file, in the order of names; None: no y
    label_mode   "int": int32 (N,);  "binary": float32 (N, 1);  "categorical": float32 (N, K);  None: no y
    class_names  the folders to take, in the order of their numbers; None: all, sorted
    color_mode   "rgb", "rgba", "grayscale"
    batch_size   None: one picture at a time
    image_size   (H, W) px, or one number for both
    seed         of the order in which files are divided and shown; needed where both shuffle and a split are asked for
    subset       "training", "validation", or "both" for a list of two; the last validation_split of files validates
    interpolation  "bilinear", "nearest", "bicubic", "lanczos3", "lanczos5"
    crop_to_aspect_ratio, pad_to_aspect_ratio   keep pictures in shape: cut the middle out, or put 0 around them

    The result has class_names, file_paths and what dataset.py has: map, take, cache, ...
    Raises MissingDataError and DataError where there is no folder or no picture.
    Differs from Keras: after the first, the order of every pass is drawn over all files, not in a window, from
    another random stream; a picture that cannot be decoded is named in a note and left out; "area", "gaussian" and
    "mitchellcubic" are not there.
    """
    where = "image_dataset_from_directory"
    directory = path(f"{where}: directory", directory)
    if not (labels is None or (isinstance(labels, str) and labels == "inferred")):
        expected = '"inferred", None, or a list of whole numbers'
        ok = isinstance(labels, (list, tuple)) and all(arguments.index(one) is not None for one in labels)
        require(ok, f"{where}: labels", expected, shown(labels), error=ArgumentTypeError)
    fix = 'class_names are for labels="inferred"'
    ok = isinstance(labels, str) or class_names is None
    require(ok, f"{where}: class_names", "None", shown(class_names), fix, error=ArgumentError)
    label_mode = choice(f"{where}: label_mode", label_mode, ("int", "categorical", "binary", None))
    if labels is None or label_mode is None:
        labels = label_mode = None
    images.KNOWN_MODE(f"{where}: color_mode", color_mode)
    if class_names is not None:
        class_names = arguments.listed(f"{where}: class_names", class_names, "names of folders")
    batch_size = whole(f"{where}: batch_size", batch_size, optional=True)
    size = (image_size,) * 2 if arguments.index(image_size) is not None else image_size
    size = images.size(f"{where}: image_size", size)
    text = arguments.text(f"{where}: interpolation", interpolation).lower()
    how = one_of(f"{where}: interpolation", text, KERNELS)
    follow_links, verbose, shuffle, crop, pad = (flag(f"{where}: {name}", value) for name, value in (
        ("follow_links", follow_links), ("verbose", verbose), ("shuffle", shuffle),
        ("crop_to_aspect_ratio", crop_to_aspect_ratio), ("pad_to_aspect_ratio", pad_to_aspect_ratio)))  # fmt: skip
    both = "crop_to_aspect_ratio or pad_to_aspect_ratio"
    require(not (crop and pad), where, both, "both", error=ArgumentError)
    choice(f"{where}: data_format", data_format, (None, "channels_last"))
    choice(f"{where}: format", format, ("tf", "grain"))
    seed = whole(f"{where}: seed", seed, low=0, high=2**32 - 1, optional=True)
    _check_split(where, validation_split, subset, shuffle, seed)
    require(os.path.isdir(directory), f"{where}: directory", "a folder", directory, error=MissingDataError)
    if seed is None:
        seed = int(np.random.default_rng().integers(10**6))
    files, numbers, names = _files(where, directory, labels, class_names, follow_links)
    require(files, where, f"files that end in {', '.join(ENDINGS)} in {directory}", "none", error=DataError)
    two = label_mode != "binary" or len(names or ()) == 2
    require(two, f"{where}: label_mode", '2 classes for "binary"', f"{len(names or ())}: {names}", error=DataError)
    if verbose:
        of = "." if labels is None else f" belonging to {len(names or ())} classes."
        print(f"Found {len(files)} files{of}")
    if shuffle:
        order = np.arange(len(files))
        np.random.RandomState(seed).shuffle(order)  # Keras's order: which files validate depends on it
        files, numbers = [files[i] for i in order], numbers[order]
    held = int((validation_split or 0) * len(files))
    slices = {None: slice(None), "training": slice(0, len(files) - held), "validation": slice(len(files) - held, None)}
    made = []
    for part in ("training", "validation") if subset == "both" else (subset,):
        rows = slices[part]
        kept = files[rows]
        if part is not None and verbose:
            print(f"Using {len(kept)} files for {part}.")
        require(kept, where, f"pictures for {part}", f"none of {len(files)}", "change validation_split",
                error=DataError)  # fmt: skip
        y = None if label_mode is None else _targets(numbers[rows], label_mode, len(names or ()))
        pictures = _Pictures(kept, size, color_mode, how, crop, pad)
        mixed = shuffle and not (subset == "both" and part == "validation")
        one = _dataset(pictures, y, batch_size, seed if mixed else None)
        one.class_names, one.file_paths = names, kept
        made.append(one)
    return made if subset == "both" else made[0]


def _check_split(where: str, share, subset, shuffle: bool, seed) -> None:
    arguments.number(f"{where}: validation_split", share, above=0, below=1, optional=True)
    choice(f"{where}: subset", subset, (None, "training", "validation", "both"))
    ok = (share is None) == (subset is None)
    received = f"validation_split={share} and subset={subset!r}"
    require(ok, where, "validation_split and subset, or neither", received, error=ArgumentError)
    expected = "a seed: else files that train would validate as well"
    require(not (share and shuffle and seed is None), f"{where}: seed", expected, "None", error=ArgumentError)


def _files(where: str, directory: str, labels, class_names, follow_links: bool):
    """(paths, the class number of each, names of the classes), sorted by class and name."""
    names = [""]
    if isinstance(labels, str):
        names = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir() and entry.name[0] != ".")
        if class_names is not None:
            unknown = [name for name in class_names if name not in names]
            expected = f"some of the folders {', '.join(names)}"
            require(not unknown, f"{where}: class_names", expected, shown(class_names), error=ArgumentError)
            names = class_names
    files, numbers = [], []
    for number, name in enumerate(names):
        walk = sorted(os.walk(os.path.join(directory, name), followlinks=follow_links), key=lambda entry: entry[0])
        found = [os.path.join(root, file) for root, _, inside in walk for file in sorted(inside)
                 if file.lower().endswith(ENDINGS)]  # fmt: skip
        files += found
        numbers += [number] * len(found)
    if labels is None:
        return files, np.zeros(len(files), np.int32), None
    if not isinstance(labels, str):
        expected = f"{len(files)} numbers, one per file"
        require(len(labels) == len(files), f"{where}: labels", expected, len(labels), error=DataError)
        return files, np.array(labels, np.int32), [str(one) for one in sorted(set(labels))]
    return files, np.array(numbers, np.int32), list(names)


def _targets(numbers: np.ndarray, label_mode: str, classes: int) -> np.ndarray:
    if label_mode == "binary":
        return numbers[:, None].astype(np.float32)
    return np.eye(classes, dtype=np.float32)[numbers] if label_mode == "categorical" else numbers


def _dataset(pictures: _Pictures, y, batch_size: int | None, seed: int | None) -> Dataset:
    """Batches of pictures, each pass in an order of its own unless seed is None."""
    n, size = len(pictures), batch_size or 1

    def batches(turn: int) -> Iterator:
        order = np.arange(n) if seed is None else np.random.default_rng((seed, turn)).permutation(n)
        for start in range(0, n, size):
            rows = pictures.readable(order[start : start + size])
            pictures.prefetch(np.concatenate([rows, order[start + size : start + 2 * size]]))
            if not len(rows):
                continue
            x = pictures[rows]
            batch = x if y is None else (x, y[rows])
            yield batch if batch_size else x[0] if y is None else (x[0], y[rows][0])

    return Dataset(batches, -(-n // size))
