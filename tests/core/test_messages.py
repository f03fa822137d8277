"""Errors: one sentence with what was expected, what was received, what to do; caught by either name."""

import pytest

from minicnn import errors
from minicnn.errors import ArgumentError, nearest, one_of, require

BUILTINS = {
    errors.ArgumentError: ValueError, errors.ArgumentTypeError: TypeError, errors.ShapeError: ValueError,
    errors.DataError: ValueError, errors.MissingDataError: FileNotFoundError, errors.DeviceError: RuntimeError,
    errors.NonFiniteError: ArithmeticError, errors.NotBuiltError: ValueError, errors.WeightsError: ValueError,
    errors.GradientError: AssertionError, errors.DeviceMemoryError: MemoryError,
    errors.UnsupportedError: NotImplementedError, errors.BusyError: RuntimeError, errors.FileError: OSError,
    errors.OrderError: RuntimeError,
    errors.ReadOnlyError: AttributeError, errors.NotYetError: AttributeError,
}  # fmt: skip


def test_every_error_is_listed():
    found = {e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.MinicnnError)}
    assert found == {*BUILTINS, errors.MissingPackageError, errors.MinicnnError}


def test_a_missing_package_is_an_import_error_with_its_pip_line():
    expected = r'^save: expected the package h5py to be installed, received none; run pip install h5py$'
    for base in (ImportError, errors.MinicnnError):
        with pytest.raises(base, match=expected):
            raise errors.MissingPackageError("save", "h5py")


@pytest.mark.parametrize(("error", "builtin"), BUILTINS.items(), ids=lambda e: e.__name__)
def test_errors_are_also_builtins(error, builtin):
    for base in (builtin, errors.MinicnnError):
        with pytest.raises(base, match=r"^text$"):
            raise error("text")


def test_require():
    require(True, "here", "this", "that")
    with pytest.raises(errors.ShapeError, match=r"^here: expected this, received that; do so$"):
        require(False, "here", "this", "that", "do so")
    with pytest.raises(ArgumentError, match=r"^here: expected this, received None$"):
        require(False, "here", "this", None, error=ArgumentError)


def test_one_of_suggests_the_nearest():
    assert one_of("device", "cpu", ("cpu", "cuda")) == "cpu"
    with pytest.raises(
        ArgumentError, match=r"""^device: expected one of cpu, cuda, received 'cdua'; did you mean "cuda"\?$"""
    ):
        one_of("device", "cdua", ("cpu", "cuda"))
    with pytest.raises(ArgumentError, match=r"^device: expected one of cpu, cuda, received 'abacus'$"):
        one_of("device", "abacus", ("cpu", "cuda"))
    assert nearest(None, ["adam"]) == ""
