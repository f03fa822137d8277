"""ImageDataGenerator: random rotations, shifts, shears, zooms, flips of images, in Keras's names and order.

One bilinear warp of the whole batch does all of the geometry and `rescale`. What was drawn depends on (seed, step,
position in the batch) alone, so any batch can be made again, in any order, on any device.
"""

import os
import secrets
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..aliases import ArrayLike, DTypeLike, Floats
from ..arguments import array, checked, flag, instance, named, number, whole, wholes
from ..arguments import seed as checked_seed
from ..errors import ArgumentError, DataError, ShapeError, one_of, require
from . import file_flow
from .batches import check_images, check_lengths
from .draws import ALTERNATING, NOTHING, SIDES, STREAM, WORDS, Parameters, draw, matrices, recolour
from .file_flow import FileFlow
from .flow import Flow, host, part
from .ranges import check_options
from .standardize import fit_statistics, standardize


class ImageDataGenerator:
    """Options of augmentation; `flow(x, y)` gives the batches.

    rotation_range, shear_range  degrees: U(-r, r); a positive angle turns counter-clockwise on the screen
    width_shift_range, height_shift_range
        a float s: U(-s, s), of the size if s < 1, else px; an int s: 0 .. s-1 px; a sequence: one of its elements, of
        the size if all are < 1, else px; the last two with either sign
    zoom_range  a float z: U(1-z, 1+z), or (low, high); rows and columns apart; more than 1 shrinks
    horizontal_flip, vertical_flip  True: mirrored with probability 1/2, drawn anew each time; "alternating": with
        probability 1/2 in the first pass through the data, and then the other way in every pass, so that two passes
        show both sides of each image (Jordan 2024, "94% on CIFAR-10 in 3.29 seconds"); Keras has no such value
    fill_mode, cval  beyond the edge: "nearest", "constant" (cval), "reflect", "wrap"
    channel_shift_range, brightness_range  r: U(-r, r) is added; (low, high): multiplied; for pixels of 0..255
    rescale and the rest  see `standardize`
    validation_split  the share of rows, the first, that flow(subset="validation") gives
    keras_compat  True: width_shift_range moves along the height, and the other way round

    Raises ArgumentError for a value outside its range.
    Source: Keras 3.15, keras/src/legacy/preprocessing/image.py.
    Differs from Keras: the shifts go where their names say, and images that are not square keep their centre; counted
    draws; brightness keeps fractions; "wrap" and "constant" are SciPy's grid-wrap and grid-constant, smooth across the
    edge; channels last, bilinear and float32 only.
    """

    @named
    def __init__(self, featurewise_center: bool = False, samplewise_center: bool = False,
                 featurewise_std_normalization: bool = False, samplewise_std_normalization: bool = False,
                 zca_whitening: bool = False, zca_epsilon: float = 1e-6, rotation_range: float = 0,
                 width_shift_range: Floats = 0.0, height_shift_range: Floats = 0.0,
                 brightness_range: Sequence[float] | None = None, shear_range: float = 0.0, zoom_range: Floats = 0.0,
                 channel_shift_range: float = 0.0, fill_mode: str = "nearest", cval: float = 0.0,
                 horizontal_flip: bool | str = False, vertical_flip: bool | str = False, rescale: float | None = None,
                 preprocessing_function: Callable | None = None, data_format: str | None = None,
                 validation_split: float = 0.0, interpolation_order: int = 1, dtype: DTypeLike = None, *,
                 keras_compat: bool = False):  # fmt: skip
        self.featurewise_center, self.samplewise_center = featurewise_center, samplewise_center
        self.featurewise_std_normalization = featurewise_std_normalization
        self.samplewise_std_normalization = samplewise_std_normalization
        self.zca_whitening, self.zca_epsilon = zca_whitening, zca_epsilon
        self.rotation_range, self.shear_range = rotation_range, shear_range
        self.width_shift_range, self.height_shift_range = width_shift_range, height_shift_range
        self.zoom_range = zoom_range
        self.channel_shift_range, self.brightness_range = channel_shift_range, brightness_range
        self.fill_mode, self.cval = fill_mode, cval
        self.horizontal_flip, self.vertical_flip = horizontal_flip, vertical_flip
        self.rescale, self.preprocessing_function = rescale, preprocessing_function
        self.validation_split, self.keras_compat = validation_split, keras_compat
        self.data_format, self.interpolation_order, self.dtype = data_format, interpolation_order, dtype
        check_options(self)
        self.featurewise_center |= self.featurewise_std_normalization or self.zca_whitening
        self.featurewise_std_normalization &= not self.zca_whitening
        self.samplewise_center |= self.samplewise_std_normalization
        self.mean = self.std = self.zca_whitening_matrix = None  # set by fit

    @checked("flow", ignore_class_split=flag, subset=part)
    def flow(self, x: Any, y: Any = None, batch_size: int = 32, shuffle: bool = True,
             sample_weight: Any = None, seed: int | None = None,
             save_to_dir: str | os.PathLike | None = None, save_prefix: str = "", save_format: str = "png",
             ignore_class_split: bool = False, subset: str | None = None) -> Flow:  # fmt: skip
        """Augmented batches of x (N, H, W, C).

        subset              "validation" (the first rows, a share of validation_split) or "training" (the others)
        ignore_class_split  True: the subsets need not hold the same classes
        save_to_dir, save_prefix, save_format   write every augmented picture there, for looking at
        """
        if subset is not None:
            given = {"x": x, "y": y, "sample_weight": sample_weight}
            x, y, sample_weight = (
                None if rows is None and name != "x" else array(f"flow: {name}", rows, error=DataError)
                for name, rows in given.items()
            )
            cut = int(check_lengths("flow", x=x, y=y, sample_weight=sample_weight) * self.validation_split)
            rows_of = slice(None, cut) if subset == "validation" else slice(cut, None)
            if y is not None and not ignore_class_split:
                same = np.array_equal(np.unique(y[:cut]), np.unique(y[cut:]))
                require(same, "flow", "the same classes in both subsets", "others", "shuffle x and y", error=DataError)
            x, y, sample_weight = (None if rows is None else rows[rows_of] for rows in (x, y, sample_weight))
        return Flow(self, x, y, batch_size, shuffle, sample_weight, seed, save_to_dir, save_prefix, save_format)

    @checked("flow_from_directory", **file_flow.CHECKS, class_mode=file_flow.folder_mode, follow_links=flag)
    def flow_from_directory(self, directory: str | os.PathLike, target_size: tuple[int, int] = (256, 256),
                            color_mode: str = "rgb", classes: Sequence[str] | None = None,
                            class_mode: str | None = "categorical", batch_size: int = 32, shuffle: bool = True,
                            seed: int | None = None, save_to_dir: str | os.PathLike | None = None,
                            save_prefix: str = "", save_format: str = "png", follow_links: bool = False,
                            subset: str | None = None, interpolation: str = "nearest",
                            keep_aspect_ratio: bool = False) -> FileFlow:  # fmt: skip
        """Augmented batches of the pictures in `directory`, which holds one folder for each class.

        target_size  (height, width) in px;  color_mode  "rgb", "rgba", "grayscale"
        classes      the folders to read, in the order of their numbers; None: all, by name
        class_mode   y: "categorical" (N, K), "binary" or "sparse" (N,), "input" (the pictures), None (no y)
        subset       "training", "validation" (the first files of each class, a share of validation_split), None: all
        interpolation, keep_aspect_ratio   see load_img;  the rest  see flow
        Prints how many were found.  Raises MissingDataError, DataError, ArgumentError.
        """
        options = {"target_size": target_size, "color_mode": color_mode, "class_mode": class_mode,
                   "batch_size": batch_size, "shuffle": shuffle, "seed": seed, "save_to_dir": save_to_dir,
                   "save_prefix": save_prefix, "save_format": save_format, "interpolation": interpolation,
                   "keep_aspect_ratio": keep_aspect_ratio}  # fmt: skip
        return file_flow.from_directory(self, directory, classes, class_mode, follow_links, subset, options)

    @checked("flow_from_dataframe", **file_flow.CHECKS, class_mode=file_flow.table_mode, validate_filenames=flag)
    def flow_from_dataframe(self, dataframe: Any, directory: str | os.PathLike | None = None, x_col: str = "filename",
                            y_col: str | Sequence[str] = "class", weight_col: str | None = None,
                            target_size: tuple[int, int] = (256, 256), color_mode: str = "rgb",
                            classes: Sequence[str] | None = None, class_mode: str | None = "categorical",
                            batch_size: int = 32, shuffle: bool = True, seed: int | None = None,
                            save_to_dir: str | os.PathLike | None = None, save_prefix: str = "",
                            save_format: str = "png", subset: str | None = None, interpolation: str = "nearest",
                            validate_filenames: bool = True, keep_aspect_ratio: bool = False) -> FileFlow:  # fmt: skip
        """Augmented batches of the pictures that a pandas DataFrame lists.

        x_col       the column of file names, below `directory` if that is given
        y_col       the column of classes (strings; lists of them for several labels), of numbers with class_mode "raw"
        weight_col  the column of sample weights, or None
        class_mode  as in flow_from_directory, or "raw": y is y_col's values
        validate_filenames  False: do not look whether the files are there
        The rest  see flow_from_directory.
        """
        options = {"target_size": target_size, "color_mode": color_mode, "class_mode": class_mode,
                   "batch_size": batch_size, "shuffle": shuffle, "seed": seed, "save_to_dir": save_to_dir,
                   "save_prefix": save_prefix, "save_format": save_format, "interpolation": interpolation,
                   "keep_aspect_ratio": keep_aspect_ratio}  # fmt: skip
        return file_flow.from_dataframe(self, dataframe, directory, x_col, y_col, weight_col, classes, class_mode,
                                        subset, validate_filenames, options)  # fmt: skip

    def augment(self, be: Any, images: np.ndarray, seed: int, step: int, row: int = 0, *,
                rows: np.ndarray | None = None, pass_index: int = 0) -> Any:  # fmt: skip
        """Images (N, H, W, C) as step `step` of a training with `seed` sees them: on `be`, in its float type.

        row   how many images come before them, where they are a part of the step's batch
        rows  their numbers in the data, of which flips that alternate are a function; None: their places in the batch
        pass_index  how many passes through the data came before this one
        """
        drawn = self._draw(be if be.name == "cpu" else host(), images, seed, step, row, rows, pass_index)
        if self.only_moves():
            return be.asarray(self._move(be, images, drawn, self.rescale or 1.0))  # one kernel does everything
        on = be if be.name == "cpu" else host()  # the rest is NumPy
        return be.asarray(self.standardize(recolour(self._move(on, images, drawn), drawn)))

    def standardize(self, x: np.ndarray) -> np.ndarray:
        """preprocessing_function, rescale, samplewise, featurewise, ZCA; x (N, H, W, C) or (H, W, C) -> new float32."""
        return standardize(self, x)

    def fit(self, x: ArrayLike, augment: bool = False, rounds: int = 1, seed: int | None = None) -> None:
        """Take the statistics of featurewise options and ZCA from x (N, H, W, C), or from `rounds` augmented copies."""
        x = array("fit: x", x, error=DataError)
        expected = "at least one image, shape (N, H, W, C)"
        require(x.ndim == 4 and x.size > 0, "fit: x", expected, f"shape {x.shape}", error=ShapeError)
        check_images(x, "fit: x")
        augment, rounds = flag("fit: augment", augment), whole("fit: rounds", rounds)
        seed = checked_seed("fit: seed", seed)
        if augment:
            seed, on = secrets.randbits(32) if seed is None else seed, host()
            drawn = [self._draw(on, x, seed, step) for step in range(rounds)]
            x = np.concatenate([recolour(self._move(on, x, one), one) for one in drawn])
        fit_statistics(self, x)

    def get_random_transform(self, img_shape: tuple[int, ...], seed: int | None = None) -> dict[str, float]:
        """The parameters of one image of img_shape (H, W, C), under Keras's names (see draws.draw)."""
        where = "get_random_transform"
        shape, seed = wholes(f"{where}: img_shape", img_shape), checked_seed(f"{where}: seed", seed)
        require(len(shape) == 3, f"{where}: img_shape", "whole numbers (H, W, C)", shape, error=ArgumentError)
        drawn = self._draw(host(), np.empty((1, *shape)), secrets.randbits(32) if seed is None else seed, 0)
        return {name: values[0].item() for name, values in drawn.items()}

    def apply_transform(self, x: np.ndarray, transform_parameters: dict[str, float]) -> np.ndarray:
        """One image (H, W, C) -> float32 (H, W, C), moved and coloured; parameters that are left out do nothing."""
        where = "apply_transform: transform_parameters"
        instance(where, transform_parameters, dict, "a dict from Keras's names to numbers")
        known = (*NOTHING, "channel_shift_intensity", "brightness")
        given = {}
        for name, value in transform_parameters.items():
            one_of(where, name, known)
            if value is not None:
                check = flag if name.startswith("flip") else number
                given[name] = check(f"{where}: {name}", value)
        x = _one_image("apply_transform: x", x)
        drawn = {name: np.array([value]) for name, value in (NOTHING | given).items()}
        return recolour(self._move(host(), x[None], drawn), drawn)[0]

    def random_transform(self, x: np.ndarray, seed: int | None = None) -> np.ndarray:
        """One image (H, W, C) -> float32 (H, W, C), moved and coloured at random, not standardised."""
        x = _one_image("random_transform: x", x)
        return self.apply_transform(x, self.get_random_transform(x.shape, checked_seed("random_transform: seed", seed)))

    def _draw(self, on, images: np.ndarray, seed: int, step: int, row=0, rows=None, pass_index=0) -> Parameters:
        key = on.key(seed, step, STREAM, row * WORDS // 4)
        words = on.philox(WORDS * len(images), key).reshape(-1, WORDS)
        rows = np.arange(row, row + len(images)) if rows is None else rows
        return draw(self, words, *images.shape[1:3], sides=self._sides(on, seed, rows, pass_index))

    def _sides(self, on, seed: int, rows: np.ndarray, pass_index: int | np.ndarray) -> np.ndarray | None:
        """bool (2, N): which of these rows are mirrored, across and down, in pass `pass_index`, of all or of each."""
        if ALTERNATING not in (self.horizontal_flip, self.vertical_flip) or not len(rows):
            return None
        words = on.philox(2 * (int(rows.max()) + 1), on.key(seed, 0, SIDES)).reshape(-1, 2)[rows]
        return (words.T < 2**31) ^ (np.asarray(pass_index) % 2 == 1)

    def matrices(self, shape: tuple[int, ...], seed: int, steps: list[tuple[int, np.ndarray, int]]) -> np.ndarray:
        """What `augment` draws for images of `shape` (H, W, C) in steps (step, rows, pass index): float64 (N, 2, 3)."""
        on = host()
        words = [on.philox(WORDS * len(rows), on.key(seed, step, STREAM)) for step, rows, _ in steps]
        indices = np.repeat([index for *_, index in steps], [len(rows) for _, rows, _ in steps])
        sides = self._sides(on, seed, np.concatenate([rows for _, rows, _ in steps]), indices)
        return matrices(draw(self, np.concatenate(words).reshape(-1, WORDS), *shape[:2], sides=sides), *shape[:2])

    def _move(self, on, images: np.ndarray, drawn: Parameters, scale: float = 1.0):
        where = on.asarray(matrices(drawn, *images.shape[1:3]), dtype=np.float64)
        return on.affine_warp(on.asarray(images), where, fill_mode=self.fill_mode, cval=self.cval, scale=scale)

    def only_moves(self) -> bool:
        """Whether one warp of the pixels is all that is asked for."""
        return not (
            self.channel_shift_range or self.brightness_range or self.preprocessing_function or self.samplewise_center
            or self.featurewise_center
        )  # fmt: skip


def _one_image(where: str, x) -> np.ndarray:
    x = array(where, x, error=DataError)
    expected = "one image of shape (H, W, C)"
    require(x.ndim == 3 and x.size > 0, where, expected, f"shape {x.shape}", error=ShapeError)
    check_images(x, where)
    return x
