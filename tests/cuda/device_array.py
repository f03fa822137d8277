"""Arrays of the emulated GPU: NumPy's memory, CuPy's manners.

An array of the host is refused wherever CuPy 14 refuses it: as an operand, as what is written, in a list of arrays.
Numbers, NumPy's arrays without axes among them, go through; so does an index, which CuPy sends. What is asked of such
an array is such an array again.

On a GPU an expression like `a * b` is a launch too, and a CUDA graph captures it. So here, while `tape` is a list:

      a * b, a.sum(), xp.where(..), a[...] = b    written down, and run when the recording is replayed
      a[0:3], a.reshape(..)                       views, as ever
      float(a), bool(a), a.item(), arrays of the host       RecordingError: a graph cannot go through the host
"""

import functools

import numpy as np

tape: list | None = None
UNWRITTEN = (np.empty_like,)


class RecordingError(RuntimeError):
    """Something that a CUDA graph could not hold."""


def plain(value, refused=TypeError):
    """`value`, in tuples and lists too, with DeviceArrays as NumPy's own arrays on the same memory.

    Raises `refused` (None: nothing) for an array of the host.
    """
    if isinstance(value, (tuple, list)):
        return type(value)(plain(item, refused) for item in value)
    if isinstance(value, DeviceArray):
        return value.view(np.ndarray)
    if isinstance(value, np.ndarray):
        if tape is not None:
            raise RecordingError(f"an array of the host, of shape {value.shape}, in a recorded step")
        if value.ndim and refused:
            raise refused(f"an array of the host, of shape {value.shape}, where one of the device is expected")
    return value


def device(value):
    return np.asarray(value).view(DeviceArray) if isinstance(value, (np.ndarray, np.generic)) else value


def overlap(result, inputs) -> bool:
    return any(isinstance(a, np.ndarray) and np.may_share_memory(result, a) for a in inputs)


def made(compute, inputs=()):
    """The result of compute(), on the device; recorded, unless it is a view of one of the plain inputs."""
    with np.errstate(all="ignore" if tape is not None else "warn"):  # a recording computes with what memory holds
        result = compute()
    if isinstance(result, tuple):
        assert tape is None or not any(isinstance(r, np.ndarray) for r in result), "several results are not recorded"
        return tuple(map(device, result))
    if isinstance(result, np.generic):
        result = np.asarray(result)
    if tape is not None and isinstance(result, np.ndarray) and not overlap(result, inputs):
        memory = result
        tape.append(lambda: np.copyto(memory, compute(), casting="no"))
    return device(result)


def done(action):
    """Do it now, or when the recording is replayed."""
    action() if tape is None else tape.append(action)


def no_host(name):
    """A method that brings a number to the host: refused while recording."""
    method = getattr(np.ndarray, name)

    @functools.wraps(method)
    def guarded(self, *args, **kwargs):
        if tape is not None:
            raise RecordingError(f"{name}: a number is read by the host in a recorded step")
        return method(self, *args, **kwargs)

    return guarded


def recorded(name):
    """A method that makes a new array, or a view."""
    method = getattr(np.ndarray, name)

    @functools.wraps(method)
    def call(self, *args, **kwargs):
        array, args, kwargs = plain(self), plain(args), {key: plain(value) for key, value in kwargs.items()}
        return made(lambda: method(array, *args, **kwargs), [array])

    return call


class DeviceArray(np.ndarray):
    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        inputs, function = plain(inputs), getattr(ufunc, method)
        if out is None:
            return made(lambda: function(*inputs, **kwargs))
        memory = plain(out)
        done(lambda: function(*inputs, out=memory, **kwargs))
        return out[0] if len(out) == 1 else out

    def __array_function__(self, function, types, args, kwargs):
        if function in UNWRITTEN:
            return device(function(*[a.view(np.ndarray) for a in args[:1]], *args[1:], **kwargs))
        args, kept = plain(args), {key: plain(value) for key, value in kwargs.items()}
        if kept.get("out") is not None:
            done(lambda: function(*args, **kept))
            return kwargs["out"]
        return made(lambda: function(*args, **kept), args)

    def __setitem__(self, index, value):
        memory, index, value = plain(self), plain(index, None), plain(value, ValueError)
        done(lambda: memory.__setitem__(index, value))

    def __getitem__(self, index):
        array, index = plain(self), plain(index, None)
        return made(lambda: array[index], [array])

    astype, copy, reshape, ravel = map(recorded, ("astype", "copy", "reshape", "ravel"))
    argmax, argmin, cumsum, take, repeat = map(recorded, ("argmax", "argmin", "cumsum", "take", "repeat"))
    __float__, __int__, __bool__, item, tolist, tobytes = map(
        no_host, ("__float__", "__int__", "__bool__", "item", "tolist", "tobytes")
    )

    def __array_namespace__(self, *, api_version=None):
        return DeviceNumPy()

    def fill(self, value):
        memory = plain(self)
        done(lambda: np.ndarray.fill(memory, value))


class DeviceNumPy:
    """The module, where it makes arrays of nothing or of the host's."""

    ndarray = DeviceArray

    def __getattr__(self, name):
        return getattr(np, name)

    @staticmethod
    def empty(shape, dtype=float):
        return np.empty(shape, dtype).view(DeviceArray)

    @staticmethod
    def zeros(shape, dtype=float):
        return made(lambda: np.zeros(shape, dtype))

    @staticmethod
    def ones(shape, dtype=float):
        return made(lambda: np.ones(shape, dtype))

    @staticmethod
    def arange(*args, **kwargs):
        return made(lambda: np.arange(*args, **kwargs))

    @staticmethod
    def full(shape, value, dtype=None):
        return made(lambda: np.full(shape, value, dtype))

    @staticmethod
    def asarray(array, dtype=None):
        if not isinstance(array, DeviceArray):
            if tape is not None:
                raise RecordingError(f"asarray: a {type(array).__name__} of the host is sent in a recorded step")
            return device(np.array(array, dtype))
        return array if dtype is None or array.dtype == dtype else array.astype(dtype)

    @staticmethod
    def ascontiguousarray(array, dtype=None):
        array = DeviceNumPy.asarray(array, dtype)
        return array if array.flags.c_contiguous else array.copy(order="C")


class Unwritten(DeviceNumPy):
    """The same, but new memory holds `fill` in every byte: what a pool hands out may hold anything."""

    def __init__(self, fill: int):
        self.fill = fill

    def _filled(self, array):
        array.view(np.ndarray).reshape(-1).view(np.uint8).fill(self.fill)
        return array

    def empty(self, shape, dtype=float):
        return self._filled(DeviceNumPy.empty(shape, dtype))

    def empty_like(self, array, dtype=None):
        return self.empty(array.shape, dtype or array.dtype)
