"""Several processes decide as one: here ranks that are threads; test_mpi.py has them from mpiexec."""

import copy
import subprocess
from pathlib import Path

import numpy as np
import pytest

import minicnn
from minicnn import Sequential, World, callbacks, layers
from minicnn.backend.cpu import CPU
from minicnn.data import ImageDataGenerator
from minicnn.errors import ArgumentError, NonFiniteError

from . import ranks

IMAGES, CLASSES = 41, 3


@pytest.fixture
def data():
    rng = np.random.default_rng(5)
    return rng.random((IMAGES, 8, 8, 1)), np.eye(CLASSES)[rng.integers(0, CLASSES, IMAGES)]


def network(kind="float64", norm=False):
    """Every kind of draw: dropout, of channels, of a normal distribution, and one that a pooling takes in."""
    device = CPU("numpy_ref", "float64") if kind == "float64" else CPU(kind)
    inner = [layers.BatchNormalization()] if norm else []
    return Sequential(
        [
            minicnn.Input((8, 8, 1)), layers.Conv2D(6, 3, activation="relu"), *inner, layers.MaxPooling2D(),
            layers.Dropout(0.25), layers.SpatialDropout2D(0.2), layers.Flatten(), layers.GaussianNoise(0.1),
            layers.Dense(9, activation="tanh"), layers.GaussianDropout(0.3), layers.AlphaDropout(0.1),
            layers.Dense(CLASSES, activation="softmax"),
        ],
        seed=7, device=device,
    )  # fmt: skip


def compiled(*args, optimizer="adam", **kwargs):
    model = network(*args, **kwargs)
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy", "mse"])
    return model


def trained(world, data, *, make=compiled, batch_size=16, **how):
    """A model after two epochs, whose last batch is short, and its history."""
    model, (x, y) = make(), data
    model.world = world
    how = {"epochs": 2, "verbose": 0, "validation_data": (x[:10], y[:10])} | how
    history = model.fit(x, y, batch_size=batch_size, **how)
    return model, history.history


def close(one, other, rtol):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


def equal(models):
    for model in models[1:]:
        for a, b in zip(models[0].get_weights(), model.get_weights(), strict=True):
            assert a.tobytes() == b.tobytes()


def agrees(fitted, rtol=1e-12) -> dict:
    """Two ranks end with one process's weights, and both with its History within `rtol`.  fitted: world -> both."""
    (alone, history), ((one, first), (other, second)) = fitted(World()), ranks.run(2, fitted)
    equal([one, other])
    close(alone, one, 1e-12)
    assert first == second
    for name, values in history.items():
        np.testing.assert_allclose(values, first[name], rtol=rtol, err_msg=name)
    return history


@pytest.mark.parametrize("size", [2, 3])
def test_ranks_decide_as_one_rank(data, size):
    """In float64 all but to the last bits: weights, losses, metrics, after steps of 16, 16 and 9 images."""
    alone, history = trained(World(), data)
    models, histories = zip(*ranks.run(size, lambda world: trained(world, data)), strict=True)
    equal(models)
    close(alone, models[0], 1e-12)
    assert all(one == histories[0] for one in histories)
    for name, values in history.items():
        np.testing.assert_allclose(values, histories[0][name], rtol=1e-12, err_msg=name)


def test_ranks_of_the_fast_kernels(data):
    alone, _ = trained(World(), data, make=lambda: compiled("numba_cpu", optimizer="sgd"), epochs=1)
    together = ranks.run(2, lambda world: trained(world, data, make=lambda: compiled("numba_cpu", optimizer="sgd"),
                                                  epochs=1)[0])  # fmt: skip
    equal(together)
    close(alone, together[0], 1e-6)


def test_weights_of_samples_and_augmentation(data):
    """Each rank's images are turned as they would be in the whole batch; weighted means stay those of the batch."""
    x, y = data
    flow = ImageDataGenerator(rotation_range=20, width_shift_range=0.2, zoom_range=0.1, brightness_range=(0.5, 1),
                              horizontal_flip="alternating")  # fmt: skip

    def fitted(world):
        model = compiled()
        model.world = world
        weights = np.linspace(0.1, 3, IMAGES)
        model.fit(flow.flow((x * 255).astype(np.uint8), y, 16, sample_weight=weights), epochs=2, verbose=0)
        return model

    alone, together = fitted(World()), ranks.run(2, fitted)
    equal(together)
    close(alone, together[0], 1e-12)


def test_batches_of_an_iterable(data):
    x, y = data

    def fitted(world):
        model = compiled()
        model.world = world
        model.fit([(x[:20], y[:20]), (x[20:], y[20:])], epochs=2, verbose=0)
        return model

    together = ranks.run(2, fitted)
    equal(together)
    close(fitted(World()), together[0], 1e-12)


def test_other_batches_of_an_iterable_are_refused(data):
    x, y = data

    def fitted(world):
        model = compiled()
        model.world = world
        with pytest.raises(ArgumentError, match=r"fit: batch 2: expected the same in all .* received other x"):
            model.fit([(x[:20], y[:20]), (x[20:] + world.rank * 1e-9, y[20:])], verbose=0)

    ranks.run(2, fitted)


def test_several_inputs_and_outputs(data):
    """Each output has its loss, its metric and its share of the sum; two inputs are cut alike."""
    x, y = data

    def fitted(world):
        device = CPU("numpy_ref", "float64")
        a, b = minicnn.Input((8, 8, 1)), minicnn.Input((3,))
        features = layers.Dropout(0.3)(layers.Dense(7, activation="tanh")(layers.Flatten()(a)))
        one = layers.Dense(CLASSES, activation="softmax", name="one")(features)
        two = layers.Dense(2, name="two")(layers.Concatenate()([features, b]))
        model = minicnn.Model([a, b], [one, two], seed=3, device=device)
        model.compile("adam", ["categorical_crossentropy", "mse"], metrics=[["accuracy"], ["mae"]],
                      loss_weights=[1.0, 0.5])  # fmt: skip
        model.world = world
        targets = [y, np.sin(x[:, :2, 0, 0])]
        held_out = [x[:9], y[:9]], [part[:9] for part in targets]
        history = model.fit([x, y], targets, batch_size=16, epochs=2, verbose=0, validation_data=held_out).history
        return model, history

    agrees(fitted)


@pytest.mark.parametrize("how", [{"use_ema": True}, {"gradient_accumulation_steps": 2}, {"clipnorm": 0.01}])
def test_what_an_optimizer_does_besides(data, how):
    def make():
        return compiled(optimizer=minicnn.optimizers.Adam(1e-2, **how))

    alone, _ = trained(World(), data, make=make)
    together = ranks.run(2, lambda world: trained(world, data, make=make)[0])
    equal(together)
    close(alone, together[0], 1e-11)


@pytest.mark.parametrize("name", ["Lion", "Ftrl", "Lamb", "Nadam", "Adadelta", "RMSprop"])
def test_every_kind_of_optimizer(data, name):
    def make():
        return compiled(optimizer=getattr(minicnn.optimizers, name)(1e-3))

    alone, _ = trained(World(), data, make=make)
    together = ranks.run(3, lambda world: trained(world, data, make=make)[0])
    equal(together)
    close(alone, together[0], 1e-9)  # Lion takes signs, Nadam divides by gradients that are nearly 0


def test_metrics_are_of_all_rows_and_not_means_of_ranks(data):
    """AUC, precision and recall are no means of batches' parts; classes and samples have weights."""
    names = ["AUC", "Precision", "Recall", "TopKCategoricalAccuracy", "CategoricalCrossentropy"]

    def fitted(world):
        model = network()
        measures = [getattr(minicnn.metrics, name)(name=name) for name in names]
        model.compile("adam", "categorical_crossentropy", metrics=measures, weighted_metrics=["accuracy"])
        model.world = world
        x, y = data
        history = model.fit(x, y, batch_size=16, epochs=2, verbose=0, class_weight={0: 1.0, 1: 2.5, 2: 0.2},
                            validation_data=(x[:9], y[:9], np.linspace(0.5, 2, 9))).history  # fmt: skip
        return model, history

    assert len(agrees(fitted, rtol=1e-9)) == 2 * (2 + len(names))


def test_regularizers_and_constraints(data):
    """What depends on weights counts once, what depends on outputs by rows; in validation too."""
    x, y = data

    def fitted(world):
        model = Sequential(
            [
                minicnn.Input((8, 8, 1)), layers.Conv2D(4, 3, kernel_regularizer="l2", activity_regularizer="l1"),
                layers.BatchNormalization(gamma_regularizer="l1", synchronized=True), layers.Flatten(),
                layers.Dense(CLASSES, activation="softmax", kernel_constraint="max_norm"),
            ],
            seed=7, device=CPU("numpy_ref", "float64"),
        )  # fmt: skip
        model.compile(minicnn.optimizers.SGD(0.1, learning_rate_factors={"^dense/": 0.5}), "categorical_crossentropy")
        model.world = world
        return model, model.fit(x, y, batch_size=16, epochs=2, verbose=0, validation_data=(x[:9], y[:9])).history

    agrees(fitted)


def test_callbacks_decide_alike(data, tmp_path):
    """The rate falls, the best weights come back, and the run ends, in every rank after the same epoch."""

    def fitted(world):
        place = tmp_path / f"{world.size}_{world.rank}"
        hooks = [
            callbacks.ReduceLROnPlateau("val_loss", patience=0, min_delta=1, factor=0.5),
            callbacks.EarlyStopping("val_loss", patience=3, min_delta=1e-1, restore_best_weights=True),
            callbacks.ModelCheckpoint(f"{place}.minicnn", save_best_only=True), callbacks.TerminateOnNaN(),
        ]  # fmt: skip
        model, history = trained(world, data, epochs=9, callbacks=hooks)
        return model, history, hooks[1].stopped_epoch

    alone, history, stopped = fitted(World())
    (one, first, here), (other, second, there) = ranks.run(2, fitted)
    equal([one, other])
    close(alone, one, 1e-12)
    assert first == second
    assert (stopped, stopped) == (here, there)
    assert 0 < stopped < 8
    np.testing.assert_allclose(history["learning_rate"], first["learning_rate"], rtol=1e-12)
    assert first["learning_rate"][-1] < first["learning_rate"][0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1_0.minicnn", "2_0.minicnn"]
    saved = [minicnn.load_model(tmp_path / f"{n}_0.minicnn", device=CPU("numpy_ref", "float64")) for n in (1, 2)]
    close(*saved, 1e-12)


def test_fewer_rows_than_ranks(data):
    """A rank without a row computes one that counts for nothing."""
    few = [part[:6] for part in data]
    alone, _ = trained(World(), few, batch_size=3)
    together = ranks.run(3, lambda world: trained(world, few, batch_size=3)[0])
    equal(together)
    close(alone, together[0], 1e-12)


def test_batch_norm_is_local_and_its_averages_are_shared(data):
    """One step: the averages follow the mean of both halves' statistics, and are the same bytes in both ranks."""
    x, y = data[0][:16], data[1][:16]

    def fitted(world):
        model = compiled(norm=True)
        model.world = world
        model.fit(x, y, batch_size=16, shuffle=False, verbose=0)
        return model

    together = ranks.run(2, fitted)
    equal(together)
    fresh = network(norm=True)
    halves = [fresh.layers[0](minicnn.Tensor(x[rows], fresh.backend)).numpy() for rows in (slice(0, 8), slice(8, 16))]
    mean = np.mean([half.mean(axis=(0, 1, 2)) for half in halves], axis=0)
    norm = together[0].layers[1]
    np.testing.assert_allclose(norm.moving_mean.numpy(), 0.01 * mean, rtol=1e-12)
    var = np.mean([half.var(axis=(0, 1, 2)) for half in halves], axis=0)
    np.testing.assert_allclose(norm.moving_variance.numpy(), 0.99 + 0.01 * var, rtol=1e-12)


def normed(device=None, synchronized=True):
    """Every place of a batch norm: behind a convolution, along the rows, without gamma, of vectors, inside a model."""
    def norm(**how):
        return layers.BatchNormalization(momentum=0.5, synchronized=synchronized, **how)

    inner = Sequential([layers.Dense(9, activation="tanh"), norm(center=False)])
    model = Sequential(
        [
            minicnn.Input((8, 8, 1)), layers.Conv2D(6, 3, activation="relu"), norm(), layers.MaxPooling2D(),
            norm(axis=1), layers.Conv2D(4, 2), norm(scale=False, trainable=False), layers.Dropout(0.2),
            layers.Flatten(), inner, norm(), layers.Dense(CLASSES, activation="softmax"),
        ],
        seed=7, device=device or CPU("numpy_ref", "float64"),
    )  # fmt: skip
    model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.parametrize(("size", "batch_size"), [(2, 16), (3, 16), (2, 5), (4, 4)])
def test_synchronized_batch_norm_is_that_of_the_whole_batch(data, size, batch_size):
    """Statistics, their gradients and moving averages, with batches that do not divide and ranks without a row."""
    few = [part[: 21 if batch_size > 5 else 9] for part in data]
    alone, history = trained(World(), few, make=normed, batch_size=batch_size)
    models, histories = zip(*ranks.run(size, lambda world: trained(world, few, make=normed, batch_size=batch_size)),
                            strict=True)  # fmt: skip
    equal(models)
    close(alone, models[0], 1e-12)
    for name, values in history.items():
        np.testing.assert_allclose(values, histories[0][name], rtol=1e-12, err_msg=name)
    local = ranks.run(size, lambda world: trained(world, few, make=lambda: normed(synchronized=False),
                                                  batch_size=batch_size)[0])  # fmt: skip
    if batch_size > 4:
        assert np.abs(local[0].get_weights()[0] - alone.get_weights()[0]).max() > 1e-6  # else nothing was tested


def test_synchronized_batch_norm_of_one_process_is_batch_norm(data):
    """The same program: the fused one."""
    models = [trained(World(), data, make=lambda s=s: normed(CPU("numba_cpu"), s))[0] for s in (True, False)]
    equal(models)
    nodes = [[node.name for node in model.programs.training((16, 8, 8, 1), (16, CLASSES)).nodes] for model in models]
    assert nodes[0] == nodes[1]


class LooksAround(callbacks.Callback):
    """Calls of the layers in one rank alone, outside of the step."""

    def on_train_batch_end(self, batch, logs=None):
        if self.model.world.rank == 1:
            x = np.random.default_rng(0).random((4, 8, 8, 1))
            self.model.predict(x, verbose=0)
            self.model.trace(x, np.eye(CLASSES)[[0, 1, 2, 0]], training=True)
            self.model.layers[1](minicnn.Tensor(np.ones((2, 6, 6, 6)), self.model.backend), training=False)


def test_layers_that_one_rank_calls_by_itself_wait_for_nobody(data):
    models = ranks.run(2, lambda world: trained(world, data, make=normed, callbacks=[LooksAround()])[0])
    equal(models)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
def test_a_synchronized_loss_that_is_not_finite_stops_all(data):
    """The other rank's statistics are not finite either: each says what it saw, and none waits."""
    x, y = data[0][:16].copy(), data[1][:16]
    x[15] = 1e308

    def fitted(world):
        model = normed()
        model.layers[0].kernel.data[...] = 10
        model.world = world
        with pytest.raises(NonFiniteError, match=f"not finite is {'conv2d' if world.rank else 'batch_norm'}"):
            model.fit(x, y, batch_size=16, shuffle=False, verbose=0)
        assert model.steps_done == 0

    ranks.run(2, fitted)


RANDOM = {
    "dropout": lambda: layers.Dropout(0.3), "of columns": lambda: layers.Dropout(0.3, (None, 1, None, None)),
    "of the batch": lambda: layers.Dropout(0.3, (1, 7, 5, 1)), "of channels": lambda: layers.SpatialDropout2D(0.3),
    "gaussian": lambda: layers.GaussianDropout(0.3), "noise": lambda: layers.GaussianNoise(0.3),
    "alpha": lambda: layers.AlphaDropout(0.3), "flip": lambda: layers.RandomFlip(),
    "rotation": lambda: layers.RandomRotation(0.2), "zoom": lambda: layers.RandomZoom(0.3, 0.2),
    "translation": lambda: layers.RandomTranslation(0.3, 0.2), "contrast": lambda: layers.RandomContrast(0.5, (0, 1)),
    "brightness": lambda: layers.RandomBrightness(0.3, (0, 1)), "crop": lambda: layers.RandomCrop(4, 5),
    "augmentation": lambda: layers.RandAugment((0, 1)),
    "perspective": lambda: layers.RandomPerspective(),
    "shear": lambda: layers.RandomShear(0.3), "inversion": lambda: layers.RandomInvert((0.5, 1.0), (0, 1)),
    "jitter": lambda: layers.RandomColorJitter((0, 1), 0.3, 0.5), "sharpness": lambda: layers.RandomSharpness(0.9),
    "blur": lambda: layers.RandomGaussianBlur(1.0, sigma=(0.3, 1.0)),
    "solarization": lambda: layers.Solarization(0.3, 0.5),
    "erasing": lambda: layers.RandomErasing((0.9, 1.0)), "shift": lambda: layers.RandomShift(2),
}  # fmt: skip


@pytest.mark.parametrize("kind", RANDOM)
def test_every_random_layer_draws_what_one_process_would(data, kind):
    """Outputs and gradients of a layer, at odd shapes, seen through the weights before it."""
    x, y = data[0][:19, :7, :5], data[1][:19]

    def fitted(world):
        model = Sequential([minicnn.Input((7, 5, 1)), layers.Conv2D(3, 1), RANDOM[kind](), layers.Flatten(),
                            layers.Dense(CLASSES)], seed=7, device=CPU("numpy_ref", "float64"))  # fmt: skip
        model.compile("sgd", "mse", metrics=["mse"])
        model.world = world
        return model, model.fit(x, y, batch_size=14, epochs=2, verbose=0).history

    alone, history = fitted(World())
    for size in (2, 3):
        (one, first), *_ = ranks.run(size, fitted)
        close(alone, one, 1e-12)
        np.testing.assert_allclose(history["mse"], first["mse"], rtol=1e-12)


def test_a_layer_of_another_model_draws_the_same_in_all_ranks(data):
    """It goes on drawing from the model that made it, whose seed nobody has given."""
    x, y = data

    def fitted(world):
        a = minicnn.Input((8, 8, 1))
        drop = layers.Dropout(0.5)
        first = Sequential([a, layers.Flatten(), drop, layers.Dense(2)], seed=world.rank + 3)
        b = minicnn.Input((64,))
        model = minicnn.Model(b, layers.Dense(CLASSES)(drop(b)), seed=1)
        assert drop.streams is first.streams
        model.compile("sgd", "mse")
        model.world = world
        model.fit(x.reshape(-1, 64), y, batch_size=16, verbose=0)
        return model

    alone, together = fitted(World()), ranks.run(2, fitted)
    equal(together)
    close(alone, together[0], 1e-6)


def always():
    """A dropout that is at work at inference, too."""
    x = minicnn.Input((8, 8, 1))
    hidden = layers.Dropout(0.3)(layers.Dense(9, activation="tanh")(layers.Flatten()(x)), training=True)
    model = minicnn.Model(x, layers.Dense(CLASSES, activation="softmax")(hidden), seed=7,
                          device=CPU("numpy_ref", "float64"))  # fmt: skip
    model.compile("sgd", "categorical_crossentropy")
    return model


@pytest.mark.parametrize("rows", [2, 10])
def test_draws_at_inference_leave_the_steps_alone_and_are_one_process_s(data, rows):
    """Of 2 rows a rank has none. Each rank looks at its own tiles, in which the whole validation's draws stand."""
    held = data[0][:rows], data[1][:rows]

    def fitted(world, **how):
        model, history = trained(world, data, make=always, validation_data=held, **how)
        assert (model.steps_done, model.streams.inferences) == (6, 2)
        return model, history

    agrees(fitted)


def test_rank_0_gives_weights_state_and_seed(data):
    """Ranks that begin with other numbers go on with rank 0's."""
    x, y = data

    def fitted(world):
        model = Sequential([minicnn.Input((8, 8, 1)), layers.Flatten(), layers.Dropout(0.5), layers.Dense(CLASSES)])
        model.compile("adam", "mse")
        model.fit(x[:4], y[:4], epochs=world.rank + 1, verbose=0)
        model.world = world
        model.fit(x, y, epochs=2, verbose=0)
        return model

    one, other = ranks.run(2, fitted)
    equal([one, other])
    assert (one.seed, one.steps_done, one.epochs_done) == (other.seed, other.steps_done, other.epochs_done)
    assert one.optimizer.iterations == other.optimizer.iterations


@pytest.mark.parametrize(
    ("differs", "message"),
    [
        ({"batch_size": 8}, "batch_size"),
        ({"epochs": 3}, "epochs"),
        ({"x": 1}, "x"),
        ({"optimizer": "sgd"}, "optimizer"),
    ],
)
def test_ranks_that_were_given_other_things_are_refused(data, differs, message):
    def fitted(world):
        x, y = data
        mine = differs if world.rank else {}
        model = compiled(optimizer=mine.get("optimizer", "adam"))
        model.world = world
        before = model.get_weights()
        with pytest.raises(ArgumentError, match=f"the same in all of the 2 processes, received other .*{message}"):
            model.fit(x + mine.get("x", 0), y, batch_size=mine.get("batch_size", 16), epochs=mine.get("epochs", 2),
                      verbose=0)  # fmt: skip
        assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))

    ranks.run(2, fitted)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
def test_a_loss_that_is_not_finite_stops_all_before_the_step(data):
    """Only one rank's rows hold the number that overflows."""
    x, y = data[0][:16].copy(), data[1][:16]
    x[15] = 1e300

    def fitted(world):
        model = Sequential([minicnn.Input((8, 8, 1)), layers.Flatten(), layers.Dense(CLASSES)], seed=1,
                           device=CPU("numpy_ref", "float64"))  # fmt: skip
        model.compile("sgd", "mse")
        model.world = world
        before = model.get_weights()
        with pytest.raises(NonFiniteError, match="stopped at epoch 1, batch 1: loss is inf: rank"):
            model.fit(x, y, batch_size=16, shuffle=False, verbose=0)
        assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
        assert model.steps_done == 0

    ranks.run(2, fitted)


class StopsOnOneRank(callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = self.model.world.rank == 1 and batch == 1


def test_all_stop_at_the_step_at_which_one_does(data):
    models = ranks.run(2, lambda world: trained(world, data, callbacks=[StopsOnOneRank()])[0])
    assert [model.steps_done for model in models] == [2, 2]
    equal(models)


def test_checkpoints_are_rank_0s_and_all_go_on_from_them(data, tmp_path):
    """Stopped in the middle of an epoch: rank 0's folder alone is written, the run goes on to the same bytes."""
    whole = ranks.run(2, lambda world: trained(world, data, epochs=3)[0])

    def part(world):
        folder = tmp_path / f"of_{world.rank}"
        count = iter(range(100))
        stop = minicnn.CheckpointOptions(folder, stop_when=lambda: world.rank == 1 and next(count) == 3)
        trained(world, data, epochs=3, checkpoint=stop)
        log = callbacks.CSVLogger(tmp_path / f"log_{world.rank}.csv")
        return trained(world, data, epochs=3, checkpoint=folder)[0], log

    resumed = [model for model, _ in ranks.run(2, part)]
    equal([*whole, *resumed])
    assert [path.name for path in tmp_path.iterdir()] == ["of_0"]


def test_rank_0_alone_writes_the_files_of_callbacks(data, tmp_path):
    def fitted(world):
        names = tmp_path / f"log_{world.rank}.csv", tmp_path / f"best_{world.rank}.minicnn"
        hooks = [callbacks.CSVLogger(names[0]), callbacks.ModelCheckpoint(names[1], save_best_only=True)]
        trained(world, data, callbacks=hooks)

    ranks.run(2, fitted)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best_0.minicnn", "log_0.csv"]


def test_what_cannot_be_shared_is_refused(data):
    x, y = data

    def fitted(world):
        model = network()
        model.compile("sgd", minicnn.losses.CategoricalCrossentropy(reduction="sum"))
        model.world = world
        with pytest.raises(ArgumentError, match='fit with 2 processes: expected losses of reduction "sum_over'):
            model.fit(x, y, verbose=0)
        with pytest.raises(ArgumentError, match="train_on_batch: expected a model that one process trains"):
            model.train_on_batch(x, y)

    ranks.run(2, fitted)


def test_sums_in_device_memory_need_a_device(data):
    def fitted(world):
        world.on_device = world.sum
        with pytest.raises(ArgumentError, match=r'device "cuda", .* received one on "cpu"; use World'):
            trained(world, data)

    ranks.run(2, fitted)


@pytest.mark.parametrize(("n", "size"), [(0, 2), (1, 3), (7, 2), (16, 4), (41, 3), (256, 5)])
def test_shares_are_fours_that_cover_all_rows_once(n, size):
    shares = [World(rank, size).share(n) for rank in range(size)]
    assert [row for share in shares for row in range(share.start, share.stop)] == list(range(n))
    assert all(share.start % 4 == 0 or share.start == n for share in shares)
    counts = [share.stop - share.start for share in shares]
    assert max(counts) - min(counts) < 8


def test_a_copied_model_is_in_the_same_world_and_a_pickled_one_alone():
    import pickle

    world = World(1, 2)
    assert copy.deepcopy(world) is world
    assert pickle.loads(pickle.dumps(World())).size == 1
    assert repr(world) == "<World: rank 1 of 2>"


@pytest.mark.parametrize("given", [{"rank": 2, "size": 2}, {"size": 0}, {"rank": -1}, {"sum": 3}, {"broadcast": None}])
def test_bad_worlds(given):
    with pytest.raises(minicnn.errors.MinicnnError, match="World: "):
        World(**given)


CLUSTER = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text("utf-8")


def test_the_slurm_script_of_the_cluster_page_is_a_script():
    script = CLUSTER.partition("```bash\n")[2].partition("```")[0]
    assert "srun" in script
    assert subprocess.run(["bash", "-n"], input=script, text=True).returncode == 0
