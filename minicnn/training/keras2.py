"""Names of Keras 1 and 2 that old notebooks still use, each with a note that says today's."""

import itertools
from typing import Any

import numpy as np

from ..callbacks import History
from ..errors import DataError, require
from ..notes import note
from ..structure import flat
from .trainer import QUEUES, Trainer


class OldNames(Trainer):
    """Old names of fit, evaluate and predict."""

    def fit_generator(self, generator: Any, steps_per_epoch: int | None = None, epochs: int = 1,
                      verbose: int | str = "auto", callbacks: Any = None, **kwargs: Any) -> History:  # fmt: skip
        """Old name of fit.  samples_per_epoch, nb_val_samples: Keras 1's counts of images, not of batches."""
        note("fit_generator(...) is fit(...)")
        if "samples_per_epoch" in kwargs:
            generator, steps_per_epoch = _steps(generator, kwargs.pop("samples_per_epoch"))
        if "nb_val_samples" in kwargs:
            kwargs["validation_data"], kwargs["validation_steps"] = _steps(
                kwargs.get("validation_data"), kwargs.pop("nb_val_samples")
            )
        epochs = kwargs.pop("nb_epoch", epochs)
        return self.fit(
            generator,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            steps_per_epoch=steps_per_epoch,
            **_without_queues(kwargs),
        )

    def evaluate_generator(self, generator: Any, steps: int | None = None, **kwargs: Any) -> Any:
        """Old name of evaluate.  val_samples: Keras 1's count of images."""
        note("evaluate_generator(...) is evaluate(...)")
        if "val_samples" in kwargs:
            generator, steps = _steps(generator, kwargs.pop("val_samples"))
        return self.evaluate(generator, steps=steps, **_without_queues(kwargs))

    def predict_generator(self, generator: Any, steps: int | None = None, **kwargs: Any) -> np.ndarray:
        """Old name of predict.  val_samples: Keras 1's count of images."""
        note("predict_generator(...) is predict(...)")
        if "val_samples" in kwargs:
            generator, steps = _steps(generator, kwargs.pop("val_samples"))
        return self.predict(generator, steps=steps, **_without_queues(kwargs))

    def predict_classes(self, x: Any, batch_size: int = 32, verbose: int | str = 0) -> np.ndarray:
        """Class numbers (N,): argmax of predict, or output > .5 for a single output."""
        note("predict_classes(x) is predict(x).argmax(axis=-1)")
        y = flat(self.predict(x, batch_size=batch_size, verbose=verbose))[0]
        return y.argmax(axis=-1) if y.shape[-1] > 1 else (y > 0.5).astype(np.int64)

    def predict_proba(self, x: Any, batch_size: int = 32, verbose: int | str = 0) -> np.ndarray:
        """Old name of predict."""
        note("predict_proba(x) is predict(x)")
        return self.predict(x, batch_size=batch_size, verbose=verbose)

    def reset_metrics(self) -> None:
        """Let all compiled metrics begin anew."""
        for metric in (*self.metrics, *self.weighted_metrics):
            metric.reset_state()

    def reset_states(self) -> None:
        """Has no effect: no layer keeps anything from one batch to the next."""

    @property
    def compiled(self) -> bool:
        """Whether `compile` was called."""
        return self.optimizer is not None

    @property
    def variables(self) -> list:
        """Keras's other name of weights."""
        return self.weights

    @property
    def trainable_variables(self) -> list:
        """Keras's other name of trainable_weights."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list:
        """Keras's other name of non_trainable_weights."""
        return self.non_trainable_weights


def _without_queues(kwargs: dict) -> dict:
    return {name: value for name, value in kwargs.items() if name not in QUEUES}


def _steps(batches, samples: int):
    """(the same batches, how many of them hold so many samples), rounded up; the first batch says how large they are.

    Differs from Keras: Keras 2 rounds down, and takes samples for batches where the generator has no batch_size.
    """
    size = getattr(batches, "batch_size", None)
    if size is None and hasattr(batches, "__next__"):
        first = next(batches, None)
        rows: Any = next(iter(first), None) if isinstance(first, (tuple, list)) else None
        ok = hasattr(rows, "__len__") and len(rows) > 0
        require(ok, "fit_generator", "batches (x, y)", type(first).__name__, error=DataError)
        size, batches = len(rows), itertools.chain([first], batches)
    return batches, samples if size is None else -(-samples // size)
