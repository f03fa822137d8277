"""What an argument may be, seen from outside: values that must be accepted alike, values that must be refused, words.

A Kind's `good` values all mean the same as the first, which stands for a required argument where others are tried. A
`bad` value is refused in words that hold the argument's name, `words`, and the value as `shown` shows it; Bad(value,
...) states other words for one value.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minicnn.arguments import shown

NAN, INF = float("nan"), float("inf")


class Odd:
    """An object of nobody's."""

    def __repr__(self):
        return "<odd>"


ODD = Odd()


class Bad(NamedTuple):
    """A value, and the words that its refusal has to hold in place of the usual ones."""

    value: Any
    says: tuple[str, ...]
    itself: bool = False  # whether the words say what it is, so that the argument's name is not needed


class Kind(NamedTuple):
    good: tuple = ()
    bad: tuple = ()
    words: str = ""
    called: str = ""  # where the message has another name for the argument

    def but(self, *bad, words: str | None = None) -> "Kind":
        """The same with further bad values."""
        return self._replace(bad=self.bad + bad, words=self.words if words is None else words)

    def says(self, argument: str, bad: Any) -> tuple[Any, tuple[str, ...]]:
        """A bad value, and what its refusal has to hold."""
        argument = self.called or argument
        if isinstance(bad, Bad):
            return bad.value, bad.says if bad.itself else (argument, *bad.says)
        return bad, (argument, self.words, f"received {shown(bad)}")


def bad(value, *says: str) -> Bad:
    return Bad(value, says)


def place(path) -> Bad:
    """A path at which something is wrong: the message begins with it."""
    return Bad(path, (str(path),), True)


def optional(kind: Kind) -> Kind:
    """Or None."""
    left = tuple(b for b in kind.bad if b is not None and not (isinstance(b, Bad) and b.value is None))
    return kind._replace(bad=left)


# numbers --------------------------------------------------------------------------------------------------------------

NO_NUMBERS = (
    NAN,
    INF,
    -INF,
    np.float32(NAN),
    "1",
    "a",
    b"1",
    None,
    True,
    np.True_,
    1j,
    [1.0],
    (1,),
    {},
    ODD,
    int,
    np.ones(2),
    np.array("a"),
    10**400,
)
NO_WHOLE = (1.5, 2.0, np.float64(2), np.array(2.0), *NO_NUMBERS[:-1])


def real(good: float, *outside, words: str) -> Kind:
    """A finite number; NumPy's scalars and arrays without axes are numbers."""
    goods = (good, *(np.float64(good), np.array(good)), *((np.float32(good),) if np.float32(good) == good else ()))
    return Kind((*goods, *((int(good), np.int64(good)) if good == int(good) else ())), NO_NUMBERS + outside, words)


def count(good: int = 2, *outside, low: int = 1, words: str = "") -> Kind:
    goods = (good, np.int64(good), np.uint8(good), np.array(good))
    return Kind(goods, (low - 1, *NO_WHOLE, *outside), words or f"a whole number of at least {low}")


POSITIVE = count()
FROM_0 = count(1, low=0)
AT_LEAST_0 = real(0.5, -1, -1e-9, words="a finite number of at least 0")
ABOVE_0 = real(0.5, 0, -1, words="a finite number above 0")
FINITE = real(0.5, words="a finite number")
RATE = real(0.5, -0.1, 1.1, words="a number from 0 to 1")
BELOW_1 = real(0.5, -0.1, 1, 1.1, words="a number from 0 to below 1")
SEED = optional(Kind((3, np.int64(3), np.uint8(3), np.array(3)), (-1, 2**64, *NO_WHOLE), "from 0 to 2^64 - 1"))

# names, flags, functions, paths ---------------------------------------------------------------------------------------

FLAG = Kind((True, np.True_, 1), ("False", "", None, 2, -1, NAN, 0.5, [], [True], {}, ODD, np.ones(2)), "True or False")
TEXT = Kind(("name", np.str_("name")), ("", 3, NAN, b"name", None, True, [], ["name"], ODD, np.ones(2)), "a string")
NAME = optional(TEXT)


def one_of(*known: str, good: int = 0, words: str = "one of ") -> Kind:
    wrong = (
        known[good] + "x",
        known[good][:-1],
        "",
        "ü",
        3,
        NAN,
        None,
        True,
        [known[good]],
        {},
        ODD,
        np.ones(2),
        bytes,
    )
    return Kind((known[good], np.str_(known[good])), wrong, words)


def only(*known, words: str) -> Kind:
    """A few values."""
    return Kind(tuple(k for k in known if k is not None)[:1] or (None,), ("x", 7, NAN, [], ODD, np.ones(2)), words)


FUNCTION = Kind((), (3, "f", NAN, [], {}, ODD, np.ones(2), None), "a function")
PATH = Kind((), (None, 3, NAN, b"x", True, [], ["x"], {}, ODD, np.ones(2), "", "a\0b", Path("a\0b")), "a path")

# shapes ---------------------------------------------------------------------------------------------------------------

NO_SIZES = (0, -1, 1.5, NAN, "a", "22", True, None, {}, ODD)
LENGTH = Kind((2, np.int64(2), np.array(2), [2], (2,)), (0, -1, 1.5, NAN, "a", None, True, [], (1, 2), {}, ODD), "")
SIZE = Kind(
    ((2, 2), 2, np.int64(2), np.array(2), [2, 2], (np.int64(2), 2), np.array([2, 2])),
    (
        0,
        -1,
        1.5,
        NAN,
        "a",
        "22",
        True,
        None,
        {},
        ODD,
        (),
        (1,),
        (1, 2, 3),
        (1, 0),
        (1, 1.5),
        (1, "2"),
        (1, None),
        ((1, 2), 3),
        np.ones(2),
        np.ones((2, 2), int),
    ),
    "whole number",
)
SHAPE = Kind(
    ((6, 6, 1), [6, 6, 1], (np.int64(6), 6, 1), np.array([6, 6, 1])),
    (
        3,
        "661",
        NAN,
        True,
        {},
        ODD,
        (6, 0, 1),
        (6, -1, 1),
        (6, 1.5, 1),
        (6, NAN, 1),
        (6, "6", 1),
        (6, True, 1),
        ((6, 6), 1),
        None,
        np.ones(3),
    ),
    "whole number",
)

# arrays ---------------------------------------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
IMAGES = RNG.random((8, 6, 6, 1), np.float32)
LABELS = np.arange(8) % 3
ONE_HOT = np.eye(3)[LABELS]
RAGGED = [[1.0, 2.0], [3.0]]


def spoiled(array, value=NAN, row=3):
    array = np.array(array, float)
    array[row] = value
    return array


def no_arrays(ndim: str = "") -> tuple:
    """What can be no array of numbers anywhere."""
    return (
        bad("abc", "numbers"),
        bad(b"abc", "numbers"),
        bad({}, "numbers"),
        bad({"a": 1}, "numbers"),
        bad(ODD, "numbers"),
        bad({1, 2}, "numbers"),
        bad(RAGGED, "numbers", "unequal lengths"),
        bad([["a"]], "numbers"),
        bad(np.full(8, "a"), "numbers"),
        bad(np.full(8, None), "numbers"),
        bad(np.array([1j] * 8), "numbers"),
        bad(np.array(["2020-01-01"] * 8, "M8[D]"), "numbers"),
        bad([None] * 8, "numbers"),
        bad(int, "numbers"),
    )


ARRAY = Kind((), no_arrays())
