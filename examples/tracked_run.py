"""A run whose curves go to TensorBoard, or to trackio by a callback of a dozen lines (docs/trackers.md has others).

    pip install -e ".[tensorboard]" && python examples/tracked_run.py --to tensorboard
    pip install -e ".[trackers]" && python examples/tracked_run.py --to trackio
"""

import minicnn
from minicnn import callbacks, layers
from minicnn.commands.parser import Parser


class Trackio(callbacks.Callback):
    """Every epoch's results as a row of a run."""

    def __init__(self, project: str):
        super().__init__()
        import trackio

        self.project, self.trackio = project, trackio

    def on_train_begin(self, logs=None):
        self.trackio.init(project=self.project, config=self.params)

    def on_epoch_end(self, epoch, logs=None):
        self.trackio.log(logs, step=epoch)

    def on_train_end(self, logs=None):
        self.trackio.finish()


def main(argv=None) -> None:
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", choices=("tensorboard", "trackio"), required=True)
    parser.add_argument("--out", default="runs/logs", help="TensorBoard's folder")
    parser.add_argument("--epochs", type=int, default=3)
    arguments = parser.parse_args(argv)

    (x, y), _, (x_test, y_test) = minicnn.data.digits.split(seed=2)
    model = minicnn.Sequential([
        layers.Input((28, 28, 1)), layers.Rescaling(1 / 255), layers.Conv2D(8, 3, activation="relu"),
        layers.MaxPooling2D(), layers.Flatten(), layers.Dense(10, activation="softmax"),
    ], seed=1)  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    if arguments.to == "tensorboard":
        tracker = callbacks.TensorBoard(arguments.out, histogram_freq=1, write_images=True, update_freq=10)
    else:
        tracker = Trackio("digits")
    model.fit(x, y, epochs=arguments.epochs, validation_data=(x_test, y_test), verbose=2, callbacks=[tracker])
    print(f"tensorboard --logdir {arguments.out}" if arguments.to == "tensorboard" else "trackio show")


if __name__ == "__main__":
    main()
