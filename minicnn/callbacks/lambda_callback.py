"""LambdaCallback: a callback made of functions."""

from collections.abc import Callable

from ..arguments import function as checked_function
from ..errors import one_of
from .base import Callback

_HOOKS = [name for name in vars(Callback) if name.startswith("on_")]


class LambdaCallback(Callback):
    """LambdaCallback(on_epoch_end=lambda epoch, logs: print(logs["loss"])): any hook of Callback by name.

    Batch hooks are called as f(batch, logs=...), so name that argument `logs`.

    Raises: ArgumentError for a name that is no hook.
    Source: Keras 3, callbacks/lambda_callback.py.
    Differs from Keras: a misspelt hook is an error, there it is never called.
    """

    def __init__(
        self,
        on_epoch_begin: Callable | None = None,
        on_epoch_end: Callable | None = None,
        on_train_begin: Callable | None = None,
        on_train_end: Callable | None = None,
        on_train_batch_begin: Callable | None = None,
        on_train_batch_end: Callable | None = None,
        **hooks: Callable | None,
    ):
        super().__init__()
        hooks |= {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
        }
        for name, function in hooks.items():
            one_of("LambdaCallback", name, _HOOKS)
            checked_function(f"LambdaCallback: {name}", function, optional=True)
            if function is not None:
                setattr(self, name, function)
