"""Train on rows of a Hugging Face dataset: whole columns, and batches that are decoded as they are needed.

    pip install -e ".[datasets]" && python examples/hugging_face.py

The dataset is made in memory of scikit-learn's digits, as PNG pictures, so that nothing is downloaded; one of the
hub's, load_dataset("ylecun/mnist", split="train"), has the same columns.
"""

import numpy as np
from datasets import Dataset
from PIL import Image

import minicnn
from minicnn import layers
from minicnn.commands.parser import Parser


def rows(x: np.ndarray, y: np.ndarray) -> Dataset:
    """Pictures (N, H, W, 1) of whole numbers, and labels, as a dataset."""
    return Dataset.from_dict({"image": [Image.fromarray(one[..., 0]) for one in x], "label": y.tolist()})


class Batches:
    """Batches of rows in an order of their own per epoch; only one of them is in memory."""

    def __init__(self, dataset: Dataset, batch_size: int, seed: int):
        self.dataset, self.batch_size, self.epoch, self.seed = dataset.with_format("numpy"), batch_size, 0, seed
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self.dataset) // self.batch_size)

    def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        batch = self.dataset[self.order[i * self.batch_size : (i + 1) * self.batch_size]]
        return batch["image"], batch["label"]

    def on_epoch_end(self) -> None:
        """Called by fit."""
        self.order = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.dataset))
        self.epoch += 1


def network(seed: int) -> minicnn.Sequential:
    model = minicnn.Sequential([
        layers.Input((28, 28, 1)), layers.Rescaling(1 / 255), layers.Conv2D(8, 3, activation="relu"),
        layers.MaxPooling2D(), layers.Flatten(), layers.Dense(10, activation="softmax"),
    ], seed=seed)  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main(argv=None) -> None:
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--limit", type=int, default=None, help="training images at most")
    arguments = parser.parse_args(argv)

    (x, y), _, (x_test, y_test) = minicnn.data.digits.split(seed=2)
    train, test = rows(x[: arguments.limit], y[: arguments.limit]), rows(x_test, y_test)

    model = network(seed=1)  # a column is an array like any other
    model.fit(train["image"], train["label"], epochs=arguments.epochs, verbose=0)
    _, accuracy = model.evaluate(test["image"], test["label"], verbose=0)
    print(f"columns: accuracy {accuracy:.4f} on {len(test)} rows")

    model = network(seed=1)  # where not all pictures fit in memory
    model.fit(Batches(train, 32, seed=1), epochs=arguments.epochs, verbose=0)
    _, accuracy = model.evaluate(Batches(test, 256, seed=1), verbose=0)
    print(f"batches: accuracy {accuracy:.4f} on {len(test)} rows")


if __name__ == "__main__":
    main()
