"""What people do around a network, in twelve short stops, on the digits that come with scikit-learn.

    python examples/tour.py                 about half a minute; pictures and files in runs/tour

Each stop is a function to be copied into a notebook. A picture is a matplotlib Figure: `reports.samples.draw(x[:16])`
as the last line of a cell shows it; nothing is drawn before.
"""

import sys
from pathlib import Path

import numpy as np

import minicnn
from minicnn import callbacks, data, layers, losses, optimizers, reports
from minicnn.commands.parser import Parser
from minicnn.errors import MinicnnError
from minicnn.io import atomic_write, submission


def look(out: Path):
    """1. Read a csv as Kaggle's, count each digit, look for missing values and at some images."""
    x, y = data.digits.load_data()
    header = ",".join(["label", *(f"pixel{i}" for i in range(784))])
    rows = [",".join(map(str, [label, *image.ravel()])) for image, label in zip(x[:50], y[:50], strict=True)]
    for name, table in {"train.csv": rows, "damaged.csv": [*rows[:3], rows[3].replace(",0,", ",,", 1)]}.items():
        with atomic_write(out / name, text=True) as file:
            file.write("\n".join([header, *table, ""]))
    read, labels = data.kaggle_digits.read_csv(out / "train.csv", labelled=True)
    print("read", read.shape, read.dtype, "labels", labels[:8])
    try:
        data.kaggle_digits.read_csv(out / "damaged.csv", labelled=True)
    except MinicnnError as error:
        print("a missing value is an error:", str(error).rpartition("/")[2])
    counts = reports.labels.count(y)
    print("images per digit", counts.tolist())
    reports.save(reports.labels.draw(counts), out / "1_counts.png")
    reports.save(reports.samples.draw(x[:16], y[:16]), out / "1_samples.png")


def prepare():
    """2. Pixels to 0..1, labels one-hot, a seeded split. (fit holds rows out by itself: validation_split=.2.)"""
    x, y = data.digits.load_data()
    x = (x / 255).astype(np.float32)
    x_train, x_test, y_train, y_test = data.train_test_split(x, minicnn.to_categorical(y, 10), 0.2, seed=2)
    print("train", x_train.shape, y_train.shape, "test", x_test.shape, y_test.shape)
    return x_train, y_train, x_test, y_test


def build(seed: int = 1):
    """3. Sequential as a list and by add; input_shape on the first layer; activations as argument and as layer."""
    model = minicnn.Sequential([layers.Conv2D(8, 5, padding="same", input_shape=(28, 28, 1), name="conv")], seed=seed)
    model.add(layers.Activation("relu", name="response"))
    model.add(layers.MaxPooling2D(name="pool"))
    model.add(layers.Conv2D(16, 3, activation="selu", kernel_initializer="lecun_normal"))
    model.add(layers.PReLU(shared_axes=[1, 2]))
    model.add(layers.MaxPooling2D())
    model.add(layers.Dropout(0.25))
    model.add(layers.Flatten())
    model.add(layers.Dense(32, activation="tanh"))
    model.add(layers.ELU())
    model.add(layers.Dense(10, activation="softmax"))
    return model


def sure(y_true, y_pred):
    """A metric of one's own: (y_true, y_pred) -> a value per image; here whether one class has more than .9."""
    return y_pred.max(axis=-1) > 0.9


def choose(x, y):
    """4. Optimizers, losses and metrics, by name or as instances; a metric of one's own."""
    by_name = ["sgd", "rmsprop", "adagrad", "adadelta", "adam", "adamax", "nadam", "adamw"]
    for optimizer in [*by_name, optimizers.SGD(0.05, momentum=0.9, nesterov=True)]:
        model = build()
        model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy", sure])
        loss = model.fit(x[:320], y[:320], epochs=2, verbose=0).history["loss"]
        print(f"{type(model.optimizer).__name__:<9} learning rate {float(model.optimizer.learning_rate):<6g} "
              f"loss {loss[0]:.3f}, then {loss[1]:.3f}")  # fmt: skip
    smoothed = losses.CategoricalCrossentropy(label_smoothing=0.1)
    for loss in ("categorical_crossentropy", "binary_crossentropy", "mse", "mae", smoothed):  # "sparse_...": y (N,)
        model = build()
        model.compile("adam", loss, metrics=["accuracy"])
        accuracy = model.fit(x[:320], y[:320], epochs=2, verbose=0).history["accuracy"][-1]
        print(f"{loss if loss != smoothed else 'with label_smoothing=.1':<25} accuracy {accuracy:.3f}")


def train(model, x, y, out: Path):
    """5. summary; fit from arrays and from an augmenting generator; class weights; callbacks; verbose 0, 1, 2."""
    model.summary()
    model.compile(optimizers.Adam(1e-3), "categorical_crossentropy", metrics=["accuracy", sure])
    model.fit(x, y, batch_size=64, validation_split=0.2, shuffle=True, class_weight={5: 2.0, 3: 2.0}, verbose=2)
    model.fit(x, y, sample_weight=np.linspace(0.5, 1.5, len(x)), verbose=0)
    generator = data.ImageDataGenerator(rotation_range=10, zoom_range=0.1, width_shift_range=0.1,
                                        height_shift_range=0.1, shear_range=5, fill_mode="nearest")  # fmt: skip
    generator.fit(x)  # the statistics of featurewise options; without them it changes nothing
    held = len(x) - 200
    return model.fit(
        generator.flow(x[:held], y[:held], batch_size=32), steps_per_epoch=30, epochs=4, verbose=1,
        validation_data=(x[held:], y[held:]),
        callbacks=[
            callbacks.ReduceLROnPlateau("val_accuracy", patience=2, factor=0.5, min_lr=1e-5),
            callbacks.EarlyStopping("val_loss", patience=3, restore_best_weights=True),
            callbacks.LearningRateScheduler(lambda epoch, rate: rate * (0.9 if epoch else 1.0)),
            callbacks.ModelCheckpoint(out / "best.weights.safetensors", "val_accuracy", save_best_only=True,
                                      save_weights_only=True),
            callbacks.CSVLogger(out / "log.csv"),
            callbacks.LambdaCallback(on_train_end=lambda logs: print("training is over")),
        ],
    )  # fmt: skip


def curves(trained, out: Path):
    """6. History: names and values per epoch, and their curves, train against validation."""
    print({name: [round(value, 4) for value in values] for name, values in trained.history.items()})
    reports.save(reports.curves.draw(trained), out / "6_curves.png")


def judge(model, x, y, out: Path):
    """7. evaluate, predict, class labels; the confusion matrix as a table and pictures; which 5 is taken for a 3."""
    print("loss and metrics", [round(value, 4) for value in model.evaluate(x, y, verbose=0)])
    probabilities = model.predict(x, verbose=0)
    labels = probabilities.argmax(axis=-1)
    table = reports.confusion.table(y, labels)
    print(table)
    print(reports.per_class.table(y, labels).round(3))
    for label, prediction in ((5, 3), (1, 2)):
        images = reports.confusion.where(y, labels, label=label, prediction=prediction)
        print(f"label {label}, prediction {prediction}: images", images.tolist())
    reports.save(reports.confusion.draw(table), out / "7_confusion.png")
    fractions = reports.confusion.table(y, labels, normalise=True)
    reports.save(reports.confusion.draw(fractions, "Confusion, share of each digit"), out / "7_confusion_shares.png")
    titles = [f"{label}, is {true}" if label != true else label
              for label, true in zip(labels[:25], y[:25].argmax(axis=-1), strict=True)]  # fmt: skip
    reports.save(reports.samples.draw(x[:25], titles, columns=9, title="Predictions"), out / "7_predictions.png")
    return probabilities


def worst(x, y, probabilities, out: Path):
    """8. The six worst errors, by P(wrong class) - P(true class)."""
    errors = reports.worst.find(y, probabilities, count=6)
    for error in errors:
        print(f"image {error.index}: {error.label} taken for {error.prediction}, by {error.gap:.3f}")
    reports.save(reports.worst.draw(x, errors), out / "8_worst.png")


def keep(model, x, out: Path):
    """9. The whole model in a file; the architecture as JSON; the weights alone."""
    expected = model.predict(x[:50], verbose=0)
    model.save(out / "model.minicnn")
    whole = minicnn.load_model(out / "model.minicnn", custom_objects={"sure": sure})
    model.save_weights(out / "model.weights.safetensors")
    again = minicnn.model_from_json(model.to_json())
    again.load_weights(out / "model.weights.safetensors")
    same = [np.array_equal(twin.predict(x[:50], verbose=0), expected) for twin in (whole, again)]
    print("loaded models predict the same bytes:", same)


def submit(probabilities, out: Path):
    """10. The submission: header ImageId,Label; ids from 1; one whole number per image."""
    submission.write(out / "submission.csv", probabilities.argmax(axis=-1))
    submission.check(out / "submission.csv", rows=len(probabilities))
    print("submission of", len(probabilities), "rows")


def see(model, x, out: Path):
    """11. Filters, untrained and trained; each one's response to a digit; the same after max-pooling."""
    features, found = reports.features, model.activations(x[:1])
    reports.save(features.draw_filters(build().layers[0], title="8 filters, untrained"), out / "11_untrained.png")
    reports.save(features.draw_filters(model.get_layer("conv")), out / "11_filters.png")
    reports.save(features.draw_maps(found["response"], x[0]), out / "11_responses.png")
    reports.save(features.draw_maps(found["pool"], x[0], title="8 responses after pooling"), out / "11_pooled.png")
    print({name: array.shape for name, array in found.items()})


def tour(out: Path):
    """12. Why cross-entropy, not mean squared error: examples/cross_entropy_vs_mse.py trains one network with both."""
    title(look)
    look(out)
    title(prepare)
    x, y, x_test, y_test = prepare()
    title(build)
    model = build()
    title(choose)
    choose(x, y)
    title(train)
    trained = train(model, x, y, out)
    title(curves)
    curves(trained, out)
    title(judge)
    probabilities = judge(model, x_test, y_test, out)
    title(worst)
    worst(x_test, y_test, probabilities, out)
    title(keep)
    keep(model, x_test, out)
    title(submit)
    submit(probabilities, out)
    title(see)
    see(model, x_test, out)
    title(tour)


def title(stop):
    print(f"\n{stop.__doc__.splitlines()[0]}")


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs", "tour"), help="default %(default)s")
    tour(parser.parse_args(argv).out)


if __name__ == "__main__":
    try:
        main()
    except (MinicnnError, OSError) as error:
        print(f"tour: {error}", file=sys.stderr)
        sys.exit(2)
