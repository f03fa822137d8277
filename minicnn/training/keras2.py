"""Names of Keras 2 that old notebooks still use, each with a note that says today's."""

import numpy as np

from ..notes import note


class OldNames:
    """Old names of fit, evaluate and predict."""

    def fit_generator(self, generator, steps_per_epoch=None, epochs=1, verbose="auto", callbacks=None, **kwargs):
        """Old name of fit."""
        note("fit_generator(...) is fit(...)")
        for name in ("workers", "use_multiprocessing", "max_queue_size"):
            kwargs.pop(name, None)
        return self.fit(
            generator, epochs=epochs, verbose=verbose, callbacks=callbacks, steps_per_epoch=steps_per_epoch, **kwargs
        )

    def evaluate_generator(self, generator, steps=None, **kwargs):
        """Old name of evaluate."""
        note("evaluate_generator(...) is evaluate(...)")
        return self.evaluate(generator, steps=steps, **kwargs)

    def predict_classes(self, x, batch_size=32, verbose=0) -> np.ndarray:
        """Class numbers (N,): argmax of predict, or output > .5 for a single output."""
        note("predict_classes(x) is predict(x).argmax(axis=-1)")
        y = self.predict(x, batch_size=batch_size, verbose=verbose)
        return y.argmax(axis=-1) if y.shape[-1] > 1 else (y > 0.5).astype(np.int64)

    def predict_proba(self, x, batch_size=32, verbose=0) -> np.ndarray:
        """Old name of predict."""
        note("predict_proba(x) is predict(x)")
        return self.predict(x, batch_size=batch_size, verbose=verbose)
