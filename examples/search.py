"""Search for hyper-parameters with several processes, which keep what they find in one file: Optuna does the choosing.

    pip install -e ".[search]"
    python examples/search.py --processes 2 --trials 20      each trains trials until there are 20; again: 20 more

Trials that do worse than the median of the others after as many epochs are given up: Pruning says so to Optuna, and its
answer leaves fit. Processes may also be started by hand, on other machines too that see the file.
"""

import multiprocessing
import os

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from sklearn.datasets import load_digits

from minicnn import Sequential, callbacks, layers, optimizers
from minicnn.commands.parser import Parser

EPOCHS = 12


class Pruning(callbacks.Callback):
    """Reports every epoch's val_accuracy, and raises TrialPruned where Optuna sees no future in it."""

    def __init__(self, trial):
        super().__init__()
        self.trial = trial

    def on_epoch_end(self, epoch, logs=None):
        self.trial.report(logs["val_accuracy"], epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned(f"epoch {epoch + 1}: {logs['val_accuracy']:.4f}")


def objective(trial: optuna.Trial, threads: int) -> float:
    """The best val_accuracy of one network."""
    x, y = load_digits(return_X_y=True)
    x, y = x.reshape(-1, 8, 8, 1).astype(np.float32) / 16, np.eye(10, dtype=np.float32)[y]
    model = Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(trial.suggest_categorical("filters", [8, 16, 32]), 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(trial.suggest_float("dropout", 0.0, 0.6)),
            layers.Dense(10, activation="softmax"),
        ],
        seed=trial.number,
        threads=threads,
    )
    rate = trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
    model.compile(optimizers.Adam(rate), "categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x[:1400], y[:1400], batch_size=32, epochs=EPOCHS, verbose=0, callbacks=[Pruning(trial)],
                        validation_data=(x[1400:], y[1400:]))  # fmt: skip
    return max(history.history["val_accuracy"])


def work(journal: str, trials: int, threads: int) -> None:
    """One process: train trials until the study has so many."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.load_study(study_name="digits", storage=JournalStorage(JournalFileBackend(journal)))
    enough = optuna.study.MaxTrialsCallback(trials, states=None)
    study.optimize(lambda trial: objective(trial, threads), callbacks=[enough])


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--processes", type=int, default=2, metavar="N")
    parser.add_argument("--trials", type=int, default=20, metavar="N")
    parser.add_argument("--journal", default="search.journal", metavar="FILE")
    args = parser.parse_args()
    storage = JournalStorage(JournalFileBackend(args.journal))
    study = optuna.create_study(storage=storage, study_name="digits", direction="maximize", load_if_exists=True)
    trials, threads = len(study.trials) + args.trials, max(1, (os.cpu_count() or 1) // args.processes)
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=work, args=(args.journal, trials, threads)) for _ in range(args.processes)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    pruned = sum(trial.state == optuna.trial.TrialState.PRUNED for trial in study.trials)
    print(f"{len(study.trials)} trials, {pruned} of them given up early; best val_accuracy {study.best_value:.4f}")
    for name, value in study.best_params.items():
        print(f"    {name} = {value:.4g}")


if __name__ == "__main__":
    main()
