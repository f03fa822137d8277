"""Why cross-entropy, and not mean squared error, for classification: network E trained with both.

    python examples/cross_entropy_vs_mse.py                  MNIST if it is there, else the digits of scikit-learn

With logits z, softmax p and a one-hot target y of K classes, each image pulls at the logits by

    cross-entropy      L = -sum_k y_k log p_k          dL/dz = p - y
    squared error      L = sum_k (p_k - y_k)^2 / K     dL/dz = (2 / K) J (p - y),   J = diag(p) - p p'

The second carries the softmax's own derivative J, and J is 0 wherever p is 0 or 1: where the network is sure. Sure and
right needs no change. Sure and wrong needs one, and gets none: for two classes, with p of the true one going to 0, the
first gradient goes to 1, the second, 2 p (1 - p)^2, to 0. The logarithm of cross-entropy cancels J exactly: what pulls
is the error itself. (Besides, to minimise it is to maximise the likelihood of the labels.)

The picture shows both trainings, from equal weights over equal batches in equal order, and both gradients. On well
initialised networks squared error learns too, only later: it is the first epochs, and the hard images, that differ.

Source: Goodfellow, Bengio & Courville 2016, "Deep learning", section 6.2.2.
"""

import sys
from pathlib import Path

import numpy as np

import minicnn
from minicnn import losses, reports
from minicnn.commands.parser import Parser
from minicnn.errors import MinicnnError
from minicnn.ops.activation import softmax

LOSSES = {"cross-entropy": "categorical_crossentropy", "squared error": "mean_squared_error"}
RECIPE = minicnn.recipes.valid_conv


def load(limit: int):
    """name, x, y, x_test, y_test: MNIST's (`limit` images to train on) if no download is needed, else the embedded."""
    try:
        (x, y), (x_test, y_test) = minicnn.data.mnist.load_data(mirrors=())
        name, x, x_test = "MNIST", x[..., None], x_test[..., None]
    except MinicnnError:
        (x, y), _, (x_test, y_test) = minicnn.data.digits.split(seed=2)
        name = "embedded digits"
    scaled = ((images / 255).astype(np.float32) for images in (x[:limit], x_test))
    return name, next(scaled), minicnn.to_categorical(y[:limit], 10), next(scaled), minicnn.to_categorical(y_test, 10)


def train(loss: str, data, epochs: int, seed: int) -> dict[str, list[float]]:
    """One training; History's dict. The same seed: the same weights, batches and order for every loss."""
    x, y, x_test, y_test = data
    model = RECIPE.build(minicnn, seed=seed)
    model.compile(RECIPE.make_optimizer(minicnn), loss, metrics=["accuracy"])
    trained = model.fit(x, y, RECIPE.batch_size, epochs, validation_data=(x_test, y_test), verbose=0)
    return trained.history


def gradients(gap: np.ndarray) -> dict[str, np.ndarray]:
    """|dL/dz| at the true class's logit, measured by backward, where that logit lies `gap` below one wrong class's."""
    z = np.stack([-gap, np.zeros_like(gap)], axis=1)  # (N, 2): the first class is the true one
    y = np.tile([1.0, 0.0], (len(gap), 1))
    found = {}
    for name, loss in LOSSES.items():
        logits = minicnn.Tensor(z, requires_grad=True)
        each = losses.get(loss)(y, softmax(logits))
        each.backward()
        found[name] = np.abs(logits.grad[:, 0]) * len(gap)  # the loss is a mean over N
    return found


def draw(name: str, histories: dict[str, dict]):
    """Training loss, test accuracy, and the gradient at the output, as one Figure."""
    from minicnn.reports.figure import BLUE, MUTED, ORANGE, picture

    colours = dict(zip(LOSSES, (BLUE, ORANGE), strict=True))
    gap = np.linspace(-8, 8, 161)
    with picture(11, 4) as figure:
        figure.suptitle(f"Network E on {name}: one seed, equal weights and batches", x=0.01, ha="left")
        left, middle, right = figure.subplots(1, 3)
        for loss, colour in colours.items():
            values = histories[loss]
            epochs = range(1, len(values["loss"]) + 1)
            share = np.array(values["loss"]) / values["loss"][0]
            left.plot(epochs, share, color=colour, marker="o", markersize=4, label=loss)
            middle.plot(epochs, values["val_accuracy"], color=colour, marker="o", markersize=4)
            right.plot(gap, gradients(gap)[loss], color=colour)
        left.set(xlabel="epoch", ylabel="training loss / that of epoch 1", ylim=(0, None))
        middle.set(xlabel="epoch", ylabel="test accuracy")
        right.set(xlabel="wrong logit - true logit", ylabel="|gradient| at the true logit")
        right.axvspan(4, 8, color=MUTED, alpha=0.1, linewidth=0)
        right.annotate("sure and\nwrong", (6, 0.5), ha="center", color=MUTED)
        for axes in (left, middle):
            axes.xaxis.get_major_locator().set_params(integer=True)
        for axes in (left, middle, right):
            axes.grid(axis="y")
        left.legend()
    return figure


def main(argv: list[str] | None = None) -> dict[str, dict]:
    parser = Parser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--limit", type=int, default=6000, help="training images (6000)")
    parser.add_argument("--seed", type=int, default=0)
    picture = Path("runs", "cross_entropy_vs_mse.png")
    parser.add_argument("--out", type=Path, default=picture, help="the picture, %(default)s")
    args = parser.parse_args(argv)
    reports.picture_format(args.out)  # another is refused now, not after the training
    name, *data = load(args.limit)
    print(f"{RECIPE.name} on {name}: {len(data[0]):,} training, {len(data[2]):,} test images, seed {args.seed}")
    histories = {loss: train(function, data, args.epochs, args.seed) for loss, function in LOSSES.items()}
    print(f"test accuracy after epoch  {''.join(f'{epoch:>8}' for epoch in range(1, args.epochs + 1))}")
    for loss, values in histories.items():
        print(f"{loss:<27}{''.join(f'{value:8.4f}' for value in values['val_accuracy'])}")
    found = gradients(np.array([6.0]))
    sure = ", ".join(f"{loss} {value[0]:.5f}" for loss, value in found.items())
    print(f"gradient at the true logit when the wrong one is 6 higher (p = .0025): {sure}")
    reports.save(draw(name, histories), args.out)
    print(f"picture in {args.out}")
    return histories


if __name__ == "__main__":
    try:
        main()
    except (MinicnnError, OSError) as error:
        print(f"cross_entropy_vs_mse: {error}", file=sys.stderr)
        sys.exit(2)
