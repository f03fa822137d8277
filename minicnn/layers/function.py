"""A layer that is a function."""

from collections.abc import Callable
from typing import Any, ClassVar

from .. import custom
from ..aliases import Shape
from ..arguments import function as callable_argument
from ..arguments import instance
from ..core.tensor import Tensor, no_grad
from ..errors import ArgumentError, ArgumentTypeError, require
from .base import Layer
from .open_sizes import probed


class Lambda(Layer):
    """y = function(x), written with tensor arithmetic and ops; of several inputs x is their list.

    output_shape  of one sample, or None: the function is tried on zeros
    arguments     keyword arguments for the function
    Differs from Keras: a saved model holds the function's name; load_model finds it in custom_objects.
    """

    config = ("function", "arguments")
    settable = (*Layer.settable, *config)
    traceable = False
    lacks: ClassVar = Layer.lacks | {"mask": "masks"}

    def __init__(self, function: Callable, output_shape: Shape | None = None, mask: Any = None,
                 arguments: dict[str, Any] | None = None, **kwargs: Any):  # fmt: skip
        super().__init__(mask=mask, **kwargs)
        self.function = callable_argument("Lambda: function", function, of="a tensor")
        kind = "a dict of the function's arguments"
        self.arguments = dict(instance("Lambda: arguments", arguments, dict, kind, optional=True) or {})

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None, safe_mode: bool | None = None) -> "Lambda":
        """The layer that get_config described.  custom_objects: name -> function, of which a config holds the name.

        safe_mode  has nothing to decide: a config holds no code
        Raises ArgumentError where the function's name is not known.
        """
        kind = "a dict of functions by name"
        known = instance("Lambda.from_config: custom_objects", custom_objects, dict, kind, optional=True) or {}
        config = dict(instance("Lambda.from_config: config", config, dict, "a dict"))
        name = config.get("function")
        if isinstance(name, str):
            config["function"] = known.get(name) or custom.find(name)
            fix = f"from_config(config, custom_objects={{{name!r}: function}})"
            require(config["function"] is not None, "Lambda.from_config: function", "a known name", repr(name), fix,
                    error=ArgumentError)  # fmt: skip
        return cls(**config)

    def follow(self, input_shape: Any) -> Shape:
        return probed(self._tried, input_shape)

    def _tried(self, input_shape):
        def zeros(shape):
            be = self._home
            return Tensor(be.xp.zeros((1, *shape), be.dtype), be)

        several = bool(input_shape) and isinstance(input_shape[0], (tuple, list))
        with no_grad():
            tried = [zeros(shape) for shape in input_shape] if several else zeros(input_shape)
            return self.call(tried, training=False).shape[1:]

    def call(self, x: Any, *, training: bool) -> Tensor:
        y = self.function(x, **self.arguments)
        if not isinstance(y, Tensor):
            kind = type(y).__name__
            raise ArgumentTypeError(f"{self.name}: expected a Tensor from the function, received {kind}")
        return y
