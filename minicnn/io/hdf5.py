"""Reading the HDF5 files of Keras's weights: data set by data set, never more bytes than the file has.

Nothing but hard links is followed, to names that we make; a data set has to keep its bytes in the file itself, as many
as it declares. Also the order of an optimizer's variables.
Source: Keras 3, saving/saving_lib.py and optimizers/*.py.
"""

import contextlib
import functools
import io
import math
import mmap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError, MinicnnError, MissingPackageError, WeightsError, require
from .container import listed

if TYPE_CHECKING:
    from h5py import Dataset, Group

# Optimizer -> its slots in Keras's order: those of a group take turns, parameter by parameter.
SLOTS = {
    "SGD": (("m",),),
    "RMSprop": (("v",), ("m",), ("a",)),
    "Adam": (("m", "v"), ("vhat",)),
    "AdamW": (("m", "v"), ("vhat",)),
    "Adamax": (("m", "u"),),
    "Nadam": (("m", "v"),),
    "Adagrad": (("a",),),
    "Adadelta": (("a", "d"),),
    "Lion": (("m",),),
    "Ftrl": (("a", "z"),),
    "Lamb": (("m", "v"),),
    "Adafactor": (("r", "c", "v"),),
}
COMMON = (("average",), ("accumulated",))  # before them


def h5py():
    """The package h5py.  Raises MissingPackageError that says how to install it."""
    try:
        import h5py
    except ImportError:
        raise MissingPackageError("Keras's files", "h5py") from None
    return h5py


def order(optimizer: str, slots: Iterable[str], count: int) -> list[tuple[str, int]]:
    """(slot, number of the parameter) in the order of Keras's variables."""
    present = [[slot for slot in turn if slot in slots] for turn in COMMON + SLOTS[optimizer]]
    return [(slot, i) for turn in present for i in range(count) for slot in turn]


def _endless(data: bytes | mmap.mmap) -> str:
    """What in a file would keep the HDF5 library busy without end, or "".

    A local heap whose list of free places is a circle: the library follows it without looking back, and takes memory
    for each place. A global heap, where texts lie, with an object that takes no room: it never comes to the next one.
    Source: HDF5 File Format Specification 3.0, II.A (superblock), III.D (local heaps) and III.E (global heaps).
    """
    version = data[8] if len(data) > 16 and data[:8] == b"\x89HDF\r\n\x1a\n" else None
    if version is None:
        return ""  # which the library says
    widths, base = (data[13:15], 24 + 4 * version) if version < 2 else (data[9:11], 12)
    if widths != b"\x08\x08" or data[base : base + 8] != bytes(8):
        return "one whose addresses are not as h5py writes them"
    at = data.find(b"HEAP")
    while at >= 0:
        if len(data) - at >= 32:
            size, free, start = (int.from_bytes(data[at + i : at + i + 8], "little") for i in (8, 16, 24))
            places = size // 16  # at most
            while free != 1 and free + 16 <= size and start + size <= len(data):
                if places <= 0:
                    return f"one that goes round in a circle at byte {start + free}"
                places -= 1
                free = int.from_bytes(data[start + free : start + free + 8], "little")
        at = data.find(b"HEAP", at + 4)
    at = data.find(b"GCOL\1\0\0\0")
    while at >= 0:
        place, end = at + 16, min(at + int.from_bytes(data[at + 8 : at + 16], "little"), len(data))
        while place + 16 <= end:
            free, size = data[place : place + 2] == b"\0\0", int.from_bytes(data[place + 8 : place + 16], "little")
            taken = size if free else (16 + -(-size // 8) * 8) % 2**64
            if taken < 16:
                return f"one with an object of no size at byte {place}"
            place += taken
        at = data.find(b"GCOL\1\0\0\0", at + 8)
    return ""


@contextlib.contextmanager
def weights(file: IO[bytes], size: int, where: str, cls: type | None = None) -> Iterator["Weights"]:
    """The open file as Weights, or as `cls`, which is derived from it."""
    package = h5py()
    with contextlib.ExitStack() as stack:
        if isinstance(file, io.BytesIO) or not size:
            whole = file.read()
        else:
            whole = stack.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        problem = _endless(whole)
    file.seek(0)
    require(not problem, where, "a sound HDF5 file", problem, "copy it again", error=DataError)
    try:
        opened = package.File(file, "r")
    except (OSError, ValueError, RuntimeError) as cause:
        raise DataError(
            f"{where}: expected an HDF5 file, received {size} bytes that are none ({str(cause)[:80]}); copy it again"
        ) from None
    with opened:
        yield (cls or Weights)(opened, size, where)


def is_count(array: Any) -> bool:
    """Whether it is a single whole number, as Keras's Normalization keeps its count: here a weight like any other."""
    return array.shape == () and array.dtype.kind in "iu"


def sound(method: Callable) -> Callable:
    """A method of Weights that turns what h5py says about a damaged file into a DataError."""

    @functools.wraps(method)
    def reads(self, *args):
        try:
            return method(self, *args)
        except MinicnnError:
            raise
        except (OSError, ValueError, RuntimeError, TypeError, LookupError, ArithmeticError) as cause:
            raise DataError(
                f"{self.where}: expected a sound HDF5 file, received a damaged one ({str(cause)[:80]}); copy it again"
            ) from None

    return reads


class Weights:
    """The data sets of an open HDF5 file, read one by one and never more bytes than the file has."""

    config: Any = None

    def __init__(self, file: Any, size: int, where: str):
        self.file, self.left, self.where = file, size, where
        self.package = h5py()

    @sound
    def weight(self, group: str, i: int, shape: tuple, dtype: Any, label: str) -> np.ndarray:
        """Weight i of a layer's group as an array of this shape and type.  Raises WeightsError, DataError."""
        difference = self.difference(group, i, shape, dtype, label)
        require(difference is None, self.where, "weights of the model", difference, error=WeightsError)
        found = self._read(self._dataset(f"layers/{group}/vars/{i}"), label)
        return found.astype(dtype) if is_count(found) else found

    @sound
    def difference(self, group: str, i: int, shape: tuple, dtype: Any, label: str) -> str | None:
        """None, or what the model wants and what the file has."""
        found = self._dataset(f"layers/{group}/vars/{i}")
        ours = f"{tuple(shape)} {np.dtype(dtype).name}"
        theirs = "none" if found is None else f"{found.shape} {found.dtype.name}"
        same = ours == theirs or (found is not None and is_count(found) and shape == ())
        return None if same else f"{label}: model {ours}, file {theirs} (layers/{group}/vars/{i})"

    @sound
    def others(self, read: Counter[str]) -> list[str]:
        """What the file holds of layers besides so many variables of each group."""
        return [
            f"layers/{name}: model {read.get(name, 0) or 'none'}, file {n} variables"
            for name, n in self._variables().items() if n > read.get(name, 0)
        ]  # fmt: skip

    def check_rest(self, read: Counter[str]) -> None:
        """Raise WeightsError when the file holds more than was read."""
        others = self.others(read)
        require(not others, self.where, "weights that all belong to the model", listed(others), error=WeightsError)

    @sound
    def count(self) -> int:
        return sum(self._variables().values())

    @sound
    def optimizer(
        self, kind: str, slots: tuple[str, ...], shapes: list[tuple], dtype: Any, scheduled: bool
    ) -> dict | None:
        """{"iterations", "learning_rate", "slots"}; None unless the file holds exactly what this optimizer keeps.

        scheduled: the rate is a schedule's, which is no variable; "learning_rate" is None.
        """
        wanted = order(kind, slots, len(shapes))
        first = 1 if scheduled else 2
        found = self._group("optimizer/vars")
        if found is None or len(found) != first + len(wanted) + (kind == "Nadam"):
            return None
        paths = [f"optimizer/vars/{i}" for i in range(first + len(wanted))]
        sets = [one for one in map(self._dataset, paths) if one is not None]
        if len(sets) < len(paths):
            return None
        steps, rate = sets[0], None if scheduled else sets[1]
        fits = steps.shape == () and steps.dtype.kind in "iu"
        fits = fits and (rate is None or (rate.shape == () and rate.dtype.kind == "f"))
        for (_, i), one in zip(wanted, sets[first:], strict=True):
            fits = fits and one.shape == shapes[i] and one.dtype == np.dtype(dtype)
        if not fits:
            return None
        iterations, learning_rate = int(steps[()]), None if rate is None else float(rate[()])
        if iterations < 0 or not (learning_rate is None or (math.isfinite(learning_rate) and learning_rate >= 0)):
            return None
        state: dict[str, list] = {slot: [None] * len(shapes) for slot in slots}
        for (slot, i), one in zip(wanted, sets[first:], strict=True):
            state[slot][i] = self._read(one, f"optimizer/{slot}")
        return {"iterations": iterations, "learning_rate": learning_rate, "slots": state}

    def _variables(self) -> dict[str, int]:
        """Layers' groups -> how many variables each holds."""
        layers = self._group("layers")
        counts = {} if layers is None else {str(name): self._group(f"layers/{name}/vars") for name in layers}
        return {name: len(found) for name, found in counts.items() if found is not None and len(found)}

    def _group(self, path: str) -> "Group | None":
        return self._find(path, self.package.Group)

    def _dataset(self, path: str) -> "Dataset | None":
        return self._find(path, self.package.Dataset)

    def _find(self, path: str, kind: type) -> Any:
        """The object at `path`, through hard links alone: others may lead into other files."""
        at = self.file
        for name in path.split("/"):
            if not isinstance(at, self.package.Group):
                return None
            if not isinstance(at.get(name, getlink=True), self.package.HardLink):
                return None
            at = at[name]
        return at if isinstance(at, kind) else None

    def _read(self, dataset: Any, label: str) -> np.ndarray:
        """All of a data set that keeps its bytes in this file, uncompressed."""
        stored = dataset.id.get_storage_size()
        plain = not dataset.is_virtual and not dataset.external and dataset.nbytes <= min(stored, self.left)
        received = f"{dataset.nbytes} bytes of which it stores {stored}"
        require(plain, f"{self.where}: {label}", "values that the file holds", received, error=DataError)
        self.left -= dataset.nbytes
        return np.asarray(dataset[()], order="C")
