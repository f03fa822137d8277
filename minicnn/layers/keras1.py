"""Arguments of layers as Keras 1 wrote them, each read as today's, with one note.

    Convolution2D(32, 3, 3, border_mode="same", subsample=(2, 2), init="normal")
    ->   Conv2D(32, (3, 3), padding="same", strides=(2, 2), kernel_initializer="random_normal")

Source: Keras 2.3, legacy/interfaces.py.
"""

import functools
import inspect
from collections.abc import Callable, Iterable

from ..arguments import index, shown
from ..errors import UnsupportedError, require
from ..notes import note

# Old name -> today's, of which a layer has one.
NAMES = {
    "nb_filter": ("filters",), "border_mode": ("padding",), "subsample": ("strides",), "output_dim": ("units",),
    "init": ("kernel_initializer", "alpha_initializer"), "bias": ("use_bias",), "p": ("rate",), "sigma": ("stddev",),
    "atrous_rate": ("dilation_rate",), "dim_ordering": ("data_format",),
    "beta_init": ("beta_initializer",), "gamma_init": ("gamma_initializer",),
    "W_regularizer": ("kernel_regularizer",), "b_regularizer": ("bias_regularizer",),
    "W_constraint": ("kernel_constraint",), "b_constraint": ("bias_constraint",), "nb_row": ("kernel_size",),
    "nb_col": ("kernel_size",),
}  # fmt: skip
VALUES = {
    "dim_ordering": {"tf": "channels_last", "th": "channels_first", "default": None},
    "init": {"uniform": "random_uniform", "normal": "random_normal", "zero": "zeros", "one": "ones"},
}


def understood(constructor: Callable, bounds: Iterable[str] = ()) -> Callable:
    """A layer's constructor that understands Keras 1's arguments too.

    bounds   what it takes besides those in its signature: regularizers and constraints
    """
    known = {*inspect.signature(constructor).parameters, *bounds}
    old = {"mode": "mode"} if "gamma_initializer" in known and "momentum" in known else {}  # of batch norm
    old |= {name: new for name, news in NAMES.items() if name not in known for new in news if new in known}
    if not old:
        return constructor

    @functools.wraps(constructor)
    def construct(self, *args, **kwargs):
        given = [name for name in kwargs if name in old]
        if given:
            args, kwargs = _modern(type(self).__name__, given, old, args, kwargs)
        constructor(self, *args, **kwargs)

    return construct


def _modern(kind: str, given: list[str], old: dict[str, str], args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    kwargs = dict(kwargs)
    if "mode" in given:
        given.remove("mode")
        mode, fix = kwargs.pop("mode"), "of each sample: LayerNormalization; of each batch in evaluation too: nothing"
        require(mode == 0, f"{kind}: mode", "0, the only one since Keras 2", shown(mode), fix, error=UnsupportedError)
    for name in given:
        note(f"{kind}({name}=...) is read as {old[name]}=")
    if "kernel_size" in old.values():
        rows, columns = kwargs.pop("nb_row", None), kwargs.pop("nb_col", None)
        if len(args) == 3 and all(index(one) is not None for one in args[1:]):  # filters, rows, columns
            args, rows, columns = args[:1], *args[1:]
        if rows is not None or columns is not None:
            kwargs["kernel_size"] = (rows, columns)
    for name in given:
        if name in kwargs:
            value = kwargs.pop(name)
            known = VALUES.get(name, {})
            kwargs[old[name]] = known.get(value, value) if isinstance(value, str) else value
    return args, kwargs
