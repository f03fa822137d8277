"""Train on what a DataLoader of PyTorch yields: its transforms and workers stay, the model is minicnn's.

    pip install -e ".[torch]" && python examples/torch_dataloader.py

PyTorch's images have their channels first, (C, H, W); here they come last. The loader's collate_fn is a good place to
turn them. Weights go both ways too: model.to_torch_state_dict().
"""

import torch
from torch.utils.data import DataLoader, TensorDataset, default_collate

import minicnn
from minicnn import layers
from minicnn.commands.parser import Parser


def channels_last(samples: list) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch (x, y) of samples, with x of shape (N, H, W, C)."""
    x, y = default_collate(samples)
    return x.permute(0, 2, 3, 1), y


def main(argv=None) -> None:
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--limit", type=int, default=None, help="training images at most")
    arguments = parser.parse_args(argv)

    def loader(x, y, **options) -> DataLoader:
        images = torch.from_numpy(x).permute(0, 3, 1, 2).float() / 255
        return DataLoader(TensorDataset(images, torch.from_numpy(y)), collate_fn=channels_last, **options)

    (x, y), _, (x_test, y_test) = minicnn.data.digits.split(seed=2)
    order = torch.Generator().manual_seed(1)  # the same rows in every run, as a checkpoint needs
    train = loader(x[: arguments.limit], y[: arguments.limit], batch_size=32, shuffle=True, generator=order)
    test = loader(x_test, y_test, batch_size=256)

    model = minicnn.Sequential([
        layers.Input((28, 28, 1)), layers.Conv2D(8, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten(),
        layers.Dense(10, activation="softmax"),
    ], seed=1)  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(train, epochs=arguments.epochs, validation_data=test, verbose=2)
    print(f"accuracy {model.evaluate(test, verbose=0)[1]:.4f}, predictions {model.predict(test, verbose=0).shape}")


if __name__ == "__main__":
    main()
