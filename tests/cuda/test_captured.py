"""Epochs that the device runs by itself, emulated: recorded, from Python, step by step, on the CPU, it is one training.

`gpu` marks the same on a real device: tests/cuda/test_gpu.py. An emulated training takes a second or so of CPU time, so
of many of a kind most are `slow`.
"""

import re

import numpy as np
import pytest

import minicnn
from minicnn import callbacks, data, layers, losses, optimizers, recipes
from minicnn.backend.cpu import CPU
from minicnn.core.program import Program
from minicnn.errors import NonFiniteError
from minicnn.kernels.cuda import selfcheck
from minicnn.training import captured
from minicnn.training.inputs import source
from minicnn.training.sequential import Sequential
from tests.cuda import device_array
from tests.cuda.emulation import EmulatedGPU


@pytest.fixture
def gpu():
    """Makes a device: gpu(), gpu("tf32")."""
    return EmulatedGPU


def network(device, seed=3, **how):
    """Network A, narrow: every kind of layer that it has, in blocks and alone."""
    return Sequential(
        [
            layers.Conv2D(4, 3, padding="same", activation="relu", input_shape=(8, 8, 1)),
            layers.BatchNormalization(),
            layers.Conv2D(4, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(16, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ],
        device=device,
        seed=seed,
        **how,
    )


def images(rng, n=21):
    """uint8 images and one-hot labels; batches of 8 leave a smaller last one."""
    x = rng.integers(0, 256, (n, 8, 8, 1), dtype=np.uint8)
    return x, np.eye(10, dtype=np.float32)[rng.integers(0, 10, n)]


def flow(x, y, batch_size=8, **how):
    generator = data.ImageDataGenerator(
        rotation_range=10, zoom_range=0.1, width_shift_range=0.1, height_shift_range=0.1, rescale=1 / 255,
        horizontal_flip="alternating", **how
    )
    return generator.flow(x, y, batch_size=batch_size)


class Rates(callbacks.Callback):
    """A plateau after every epoch."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.optimizer.learning_rate *= 0.5


def bytes_of(model):
    state = [values for slot in model.optimizer.get_state().values() for values in slot]
    return [np.asarray(a).tobytes() for a in (*model.get_weights(), *state)]


def counters(model):
    return model.streams.step, model.streams.epoch, model.optimizer.iterations


def trained(
    device, x, y, *, epochs=3, optimizer=None, by_host=False, loss="categorical_crossentropy", plateau=True, **how
):
    """A model after a fit with augmentation, and its history. by_host: loop.py's steps instead of the device's own."""
    model = network(device, nan_check="step" if by_host else "epoch", **how)
    model.compile(optimizer or optimizers.Adam(0.01), loss, metrics=["accuracy"])
    history = model.fit(flow(x, y), epochs=epochs, verbose=0, callbacks=[Rates()] if plateau else [])
    return model, history.history


def same(one, other):
    assert bytes_of(one[0]) == bytes_of(other[0])
    assert counters(one[0]) == counters(other[0])
    assert one[1] == other[1]


def slow(*values):
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]


OPTIMIZERS = [
    optimizers.Nadam, lambda: optimizers.SGD(lambda step: 0.1 / (1 + step)),
    lambda: optimizers.Lion(0.01, use_ema=True, ema_overwrite_frequency=2, gradient_accumulation_steps=2),
    *slow(optimizers.Ftrl, lambda: optimizers.SGD(0.1, decay=0.3), lambda: optimizers.Adam(use_ema=True),
          lambda: optimizers.AdamW(gradient_accumulation_steps=4)),
    *slow(optimizers.SGD, optimizers.AdamW, optimizers.Adagrad, optimizers.Adadelta, optimizers.Adamax,
          lambda: optimizers.SGD(0.01, momentum=0.9, nesterov=True), lambda: optimizers.RMSprop(centered=True),
          lambda: optimizers.Adam(amsgrad=True), lambda: optimizers.Adam(clipvalue=0.01)),
]  # fmt: skip


def test_recorded_from_python_and_by_the_host_are_the_same_bytes(gpu, rng, notes):
    x, y = images(rng)
    graph = trained(gpu(), x, y)
    assert notes() == []
    same(graph, trained(gpu(), x, y, graph=False))
    assert notes() == []
    same(graph, trained(gpu(), x, y, by_host=True))
    assert notes() == ['fit: the host runs every step by itself and reads its loss: nan_check="step"']


def test_a_recording_is_replayed(gpu, rng, monkeypatch):
    """After the first step and the first smaller batch nothing of the model runs in Python any more."""
    calls = []
    forward = Program.forward
    monkeypatch.setattr(Program, "forward", lambda *a, **how: calls.append(1) or forward(*a, **how))
    trained(gpu(), *images(rng), epochs=6)
    assert len(calls) == 4  # two sizes: once each from Python, once each recorded


@pytest.mark.slow
def test_the_same_bytes_twice(gpu, rng):
    x, y = images(rng)
    same(trained(gpu("tf32"), x, y), trained(gpu("tf32"), x, y))


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_every_optimizer_reads_its_numbers_from_the_table(gpu, rng, notes, make):
    x, y = images(rng)
    how = {"epochs": 2, "plateau": make().schedule is None}
    same(trained(gpu(), x, y, optimizer=make(), **how),
         trained(gpu(), x, y, optimizer=make(), by_host=True, **how))  # fmt: skip
    assert len(notes()) == 1, "the step was not recorded"


@pytest.mark.parametrize(
    "make", [lambda: optimizers.Adam(clipnorm=0.1), *slow(lambda: optimizers.SGD(global_clipnorm=0.1))]
)
def test_norms_of_gradients_are_taken_on_the_device(gpu, rng, notes, make):
    x, y = images(rng)
    graph = trained(gpu(), x, y, optimizer=make(), epochs=2)
    assert notes() == []
    same(graph, trained(gpu(), x, y, optimizer=make(), epochs=2, graph=False))
    host, _ = trained(gpu(), x, y, optimizer=make(), epochs=2, by_host=True)
    for a, e in zip(graph[0].get_weights(), host.get_weights(), strict=True):
        np.testing.assert_allclose(a, e, atol=1e-4)  # the host's roots are in double


@pytest.mark.parametrize(
    ("loss", "labels"),
    [("sparse_categorical_crossentropy", "numbers"), ("mean_squared_error", "one-hot"),
     pytest.param(losses.CategoricalCrossentropy(label_smoothing=0.1), "one-hot", marks=pytest.mark.slow),
     pytest.param("binary_crossentropy", "one-hot", marks=pytest.mark.slow)],
)  # fmt: skip
def test_every_loss_is_recorded(gpu, rng, notes, loss, labels):
    x, y = images(rng)
    y = y.argmax(axis=1) if labels == "numbers" else y
    how = {"loss": loss, "epochs": 2}
    graph = trained(gpu(), x, y, **how)
    assert notes() == []
    same(graph, trained(gpu(), x, y, by_host=True, **how))


def test_activations_of_array_expressions_are_recorded(gpu, rng, notes):
    x, y = images(rng)
    x = x / 255

    def run(**how):
        model = Sequential(
            [layers.Conv2D(4, 3, activation="gelu", input_shape=(8, 8, 1)), layers.LeakyReLU(), layers.ZeroPadding2D(),
             layers.SpatialDropout2D(0.1),
             layers.AveragePooling2D(), layers.BatchNormalization(scale=False, center=False), layers.PReLU(),
             layers.Activation("silu"), layers.GlobalAveragePooling2D(), layers.Dropout(0.2, seed=5),
             layers.AlphaDropout(0.1), layers.GaussianDropout(0.1), layers.Dense(10, activation="sigmoid")],
            device=gpu(), seed=1, **how)  # fmt: skip
        model.compile("adam", "mse")
        return model, model.fit(x, y, batch_size=8, epochs=3, verbose=0).history

    graph = run()
    assert notes() == []
    same(graph, run(nan_check="step"))


def test_arrays_weights_and_more_steps_than_one_pass(gpu, rng, notes):
    x, y = images(rng)

    def run(**how):
        model = network(gpu(), **how)
        model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
        weights = np.linspace(0.5, 2, len(x))
        fit = {"batch_size": 8, "epochs": 2, "steps_per_epoch": 5, "sample_weight": weights, "verbose": 0}
        return model, model.fit(x / 255, y, **fit).history

    graph = run()
    assert notes() == []
    same(graph, run(nan_check="step"))


@pytest.mark.slow
def test_agreement_with_the_cpu(gpu):
    """20 steps: outputs within 5e-3, losses within 2e-4 relative. The sums are the same up to their order.

    The images are those of a seed whose run in float32 keeps to the one in float64, on the reference kernels to 4e-6
    and on the others to 2.4e-5 of the losses. With other seeds' random labels a rounding grows: by up to 1.6e-3 in
    numpy_ref, by as much in the other sets.
    """
    x, y = images(np.random.default_rng(4), 40)
    results = []
    for device in (gpu(), CPU("numba_cpu")):
        model, history = trained(device, x, y, epochs=4)
        results.append((history["loss"], model.predict(x / 255)))
        assert counters(model) == (20, 4, 20)
    (losses_, outputs), (expected_losses, expected) = results
    np.testing.assert_allclose(losses_, expected_losses, rtol=2e-4)
    np.testing.assert_allclose(outputs, expected, atol=5e-3)


def test_two_fits_are_one_longer_fit(gpu, rng):
    x, y = images(rng)
    once = network(gpu())
    once.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    once.fit(flow(x, y), epochs=4, verbose=0)
    twice = network(gpu())
    twice.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    for _ in range(2):
        twice.fit(flow(x, y), epochs=2, verbose=0)
    assert bytes_of(once) == bytes_of(twice)
    assert counters(once) == counters(twice)


def poisoned(rng):
    """What `broken` trains on: a rate in the second epoch's first batch spoils all that follow."""
    x, y = images(rng)
    return x / 255, y


def broken(device, x, y, **how):
    model = network(device, **how)
    model.compile(optimizers.SGD(lambda step: 0.01 if step < 3 else 1e38), "categorical_crossentropy", ["accuracy"])
    with pytest.raises(NonFiniteError) as caught:
        model.fit(x, y, batch_size=8, epochs=4, verbose=0)
    return model, re.sub(r"_\d+", "", str(caught.value))  # layers are numbered over the process


def test_a_bad_step_is_named_and_leaves_what_was_before_it(gpu, rng):
    x, y = poisoned(rng)
    expected, message = broken(gpu(), x, y, nan_check="step")
    assert "fit: stopped at epoch 2, batch 2: loss is nan" in message
    for graph in (True, False):
        model, said = broken(gpu(), x, y, graph=graph)
        assert said == message
        assert bytes_of(model) == bytes_of(expected)
        assert counters(model) == counters(expected) == (4, 1, 4)


@pytest.mark.parametrize("launch", [40, *slow(3, 75)])
@pytest.mark.parametrize("graph", [True, *slow(False)])
def test_ctrl_c_leaves_a_whole_step(gpu, rng, monkeypatch, launch, graph):
    """Interrupted at any launch of the second epoch: the bytes are those after some number of whole steps."""
    x, y = images(rng)
    model = network(gpu(), graph=graph)
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    model.fit(flow(x, y), epochs=1, verbose=0)
    start, left = model.backend.launcher._start, [launch]

    def interrupted(*args):
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        start(*args)

    monkeypatch.setattr(model.backend.launcher, "_start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(flow(x, y), epochs=1, verbose=0)
    steps = model.streams.step
    assert 3 <= steps < 6
    assert model.optimizer.iterations == steps
    expected = network(gpu())
    expected.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    expected.fit(flow(x, y), epochs=1, verbose=0)
    if steps > 3:
        expected.fit(flow(x, y), epochs=1, steps_per_epoch=steps - 3, verbose=0)
    assert bytes_of(model) == bytes_of(expected)


def test_what_a_callback_changes_between_epochs_is_recorded_anew(gpu, rng):
    x, y = images(rng)

    class Freeze(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.layers[-2].rate = 0.1
            self.model.layers[1].trainable = False

    results = []
    for check in ("epoch", "step"):
        model = network(gpu(), nan_check=check)
        model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
        results.append((model, model.fit(flow(x, y), epochs=3, verbose=0, callbacks=[Freeze()]).history))
    same(*results)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"metrics": ["mse"]}, "mse: only accuracy is counted on the device"),
        ({"callbacks": [callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)]},
         "a callback looks at every batch"),
        ({"callbacks": [callbacks.TerminateOnNaN()]}, "a callback looks at every batch"),
        ({"x": "brightness"}, "the augmentation does more than move pixels"),
        ({"x": "batches"}, "x is an iterable of batches"),
    ],
)  # fmt: skip
def test_what_the_host_has_to_do_is_said_once(gpu, rng, notes, how, said):
    x, y = images(rng)
    kinds = {"brightness": lambda: flow(x, y, brightness_range=(0.9, 1.1)), "batches": lambda: [(x / 255, y)]}
    model = network(gpu())
    model.compile("adam", "categorical_crossentropy", metrics=how.get("metrics", ["accuracy"]))
    for _ in range(2):
        given = kinds[how["x"]]() if "x" in how else flow(x, y)
        model.fit(given, epochs=1, verbose=0, callbacks=how.get("callbacks"))
    assert notes() == [f"fit: the host runs every step by itself and reads its loss: {said}"]


def test_a_step_that_cannot_be_recorded_runs_from_python_and_says_so(gpu, rng, notes):
    x, y = images(rng)

    def reads(y_true, y_pred):
        scale = float(y_pred.sum().numpy()) / len(y_pred.data)  # 1, but nobody can know without reading it
        return ((y_pred - y_true) ** 2).sum(axis=-1) * round(scale)

    graph = trained(gpu(), x, y, loss=reads)
    assert ["cannot be recorded (to_numpy: an array is read by the host" in line for line in notes()] == [True]
    same(graph, trained(gpu(), x, y, loss=reads, by_host=True))


def test_an_async_safe_callback_reads_what_the_host_would_tell_it(gpu, rng, notes):
    x, y = images(rng)

    class Second(callbacks.Callback):
        async_safe = True

        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                seen.append(dict(logs))

    seen, results = [], []
    for check in ("epoch", "step"):
        model = network(gpu(), nan_check=check)
        model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
        results.append((model, model.fit(flow(x, y), epochs=2, verbose=0, callbacks=[Second()]).history))
        if check == "epoch":
            assert notes() == [], "the device runs the steps by itself"
    same(*results)
    assert seen[:2] == [pytest.approx(logs) for logs in seen[2:]]
    assert set(seen[0]) == {"accuracy", "loss"}


def test_the_progress_bar_reads_when_it_draws(gpu, rng, notes, capsys):
    x, y = images(rng)
    model = network(gpu())
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    model.fit(flow(x, y), epochs=1, verbose=2)
    out, err = capsys.readouterr()
    assert "3/3" in out
    assert err == ""


@pytest.mark.parametrize("count", [1, 32, 37])
def test_pairs_go_in_thirty_twos(rng, count):
    """What is written: all of each array, whatever it held, and 0 where there is no source."""
    gpu, sizes = EmulatedGPU(), 3 * (3, 700, 256, 257, 1, 31, 512, 2, 255, 5, 9, 1000, 300, 1, 77)
    before = [rng.random(n).astype("f") for n in sizes[:count]]
    sources = [rng.random(a.shape).astype("f") for a in before]
    momenta = [(0.9, 0.0, 0.5)[i % 3] for i in range(count)]
    arrays, given = [gpu.asarray(a) for a in before], [gpu.asarray(a) for a in sources]
    gpu.update_averages(zip(arrays, given, momenta, strict=True))
    for a, old, new, m in zip(arrays, before, sources, momenta, strict=True):
        np.testing.assert_allclose(np.array(a), old * m + new * (1 - m), rtol=1e-6)
    for a in arrays:
        a[...] = np.nan
    gpu.blend(list(zip(arrays, [*given[:-1], None], strict=True)), ())
    for a, e in zip(arrays, [*sources[:-1], np.zeros_like(sources[-1])], strict=True):
        np.testing.assert_array_equal(np.array(a), e)


def test_gradients_are_the_same_bytes_wherever_they_are_put(gpu, rng):
    """By the weights' kernels where the optimizer reads, split sums added there; or in arrays of their own, copied."""
    x, y = images(rng, 16)
    other, placed = gpu(), []
    other.placing = None
    device = gpu()
    placing = device.placing
    device.placing = lambda buffer: placed.append(buffer.shape) or placing(buffer)
    same(trained(device, x, y, epochs=1), trained(other, x, y, epochs=1))
    assert placed[:4] == [(16, 10), (64, 16), (3, 3, 4, 4), (3, 3, 1, 4)]


def test_a_block_is_the_same_bytes_as_its_layers(gpu, rng):
    """A dense layer's norm and dropout, a loss and its sum: one kernel, or one after the other."""
    x, y = images(rng, 16)
    apart = gpu()
    apart.fused -= selfcheck.BLOCKS.keys()
    (model, history), (other, expected) = (trained(device, x, y, epochs=2) for device in (gpu(), apart))
    assert [node.name for node in model.programs.training((8, 8, 8, 1), (8, 10), None).nodes][2:] == [
        "flatten", "dense_block", "dense", "summed_cross_entropy"
    ]
    assert bytes_of(model) == bytes_of(other)
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-6)  # a tree adds the rows' losses
    assert history["accuracy"] == expected["accuracy"]


def test_what_others_add_to_is_not_put_anywhere(gpu, rng):
    """A kernel that two layers read has a gradient of two summands."""
    x, y = images(rng, 8)

    def run(device):
        inputs, twice = layers.Input((8, 8, 1)), layers.Conv2D(1, 3, padding="same", activation="relu")
        outputs = layers.Dense(10, activation="softmax")(layers.Flatten()(twice(twice(inputs))))
        model = minicnn.Model(inputs, outputs, device=device, seed=2)
        model.compile("sgd", "categorical_crossentropy")
        return model, model.fit(x / 255, y, batch_size=8, epochs=2, verbose=0).history

    other = gpu()
    other.placing = None
    same(run(gpu()), run(other))


def test_a_step_of_network_a_is_few_launches(gpu):
    """A recorded step costs the device more than a microsecond per node, so their number is a promise."""
    device, n, nodes = gpu(), 128, []
    model = recipes.kaggle_bn.build(minicnn, device=device)
    model.compile(recipes.kaggle_bn.make_optimizer(minicnn), "categorical_crossentropy", metrics=["accuracy"])
    model.optimizer.build(model.trainable_weights)
    x, y = np.zeros((n, 28, 28, 1), np.uint8), np.eye(10)[np.arange(n) % 10]
    generator = data.ImageDataGenerator(rescale=1 / 255, **recipes.AUGMENTATION)
    steps = captured.Captured(model, source(model, generator.flow(x, y, batch_size=n), None, None), 1)

    def body():
        steps._step(n, model.optimizer.phase(0))
        nodes.append(len(device_array.tape))

    steps._program(n)
    device.record(body)
    assert nodes[0] <= 48


def test_a_recording_holds_what_is_written_down_only():
    """The emulation's own: an expression is recorded, a number that the host reads is refused."""
    gpu = EmulatedGPU()
    a, b = gpu.asarray(np.arange(4, dtype="f")), gpu.xp.empty(4, np.float32)

    def body():
        b[...] = (a * 2 + 1).astype(np.float32)
        b[1:3] += gpu.xp.where(a[1:3] > 1, gpu.relu(a)[1:3], 0)

    replay = gpu.record(body)
    for values in ([0, 1, 2, 3], [5, 6, 7, 8]):
        a[...] = values
        replay()
        expected = np.array(values) * 2.0 + 1
        expected[1:3] += np.where(np.array(values[1:3]) > 1, values[1:3], 0)
        np.testing.assert_array_equal(np.array(b), expected)
    for refused in (lambda: float(a.sum()), lambda: bool((a > 0).all()), lambda: a + np.ones(4, "f"),
                    lambda: gpu.to_numpy(a), lambda: gpu.asarray(np.ones(3))):  # fmt: skip
        with pytest.raises(Exception, match="host"):
            gpu.record(refused)
    assert device_array.tape is None
