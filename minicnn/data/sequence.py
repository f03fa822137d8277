"""Sequence: batches by number, a class to derive from where a data set is too large for an array."""

from collections.abc import Iterator


class Sequence:
    """Batches of somebody's own, self[0] to self[len(self) - 1]: fit, evaluate and predict take one as x.

        class Pictures(Sequence):
            def __init__(self, files, labels, batch_size, **options):
                super().__init__(**options)
                ...
            def __len__(self):
                return math.ceil(len(self.files) / self.batch_size)
            def __getitem__(self, i):
                return x, y                          or (x, y, sample_weight), or x for predict
            def on_epoch_end(self):                  after each pass, if there is something to do: shuffle the rows

    workers, use_multiprocessing, max_queue_size   have no effect: batches are made one after the other
    fit takes them in another order in each epoch unless shuffle=False; evaluate and predict in theirs.
    """

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10):
        self.workers, self.use_multiprocessing, self.max_queue_size = workers, use_multiprocessing, max_queue_size

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__}: expected __len__, the number of batches, received none")

    def __getitem__(self, index: int):
        raise NotImplementedError(f"{type(self).__name__}: expected __getitem__, a batch by number, received none")

    def __iter__(self) -> Iterator:
        return (self[i] for i in range(len(self)))

    def on_epoch_begin(self) -> None:
        """Called before each pass."""

    def on_epoch_end(self) -> None:
        """Called after each pass."""


PyDataset = Sequence  # Keras 3's name
