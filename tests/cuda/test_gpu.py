"""On a real GPU: what the emulation promised. The contract itself runs in tests/kernels/test_contract.py, set cuda."""

import gc

import numpy as np
import pytest

from minicnn import data, recipes
from minicnn.backend.cpu import CPU
from minicnn.backend.cuda import CUDA
from minicnn.errors import DeviceError
from minicnn.kernels import KERNELS, cuda
from minicnn.kernels.cuda.launch import PRECISIONS, STEMS, VARIANTS, CuPyLauncher, signatures
from tests.cuda import emulation
from tests.cuda.test_captured import (  # noqa: F401 (the same tests, on the fixture `gpu` below)
    test_a_bad_step_is_named_and_leaves_what_was_before_it,
    test_a_recording_is_replayed,
    test_activations_of_array_expressions_are_recorded,
    test_agreement_with_the_cpu,
    test_arrays_weights_and_more_steps_than_one_pass,
    test_every_loss_is_recorded,
    test_every_optimizer_reads_its_numbers_from_the_table,
    test_norms_of_gradients_are_taken_on_the_device,
    test_recorded_from_python_and_by_the_host_are_the_same_bytes,
    test_two_fits_are_one_longer_fit,
    test_what_a_callback_changes_between_epochs_is_recorded_anew,
    test_what_the_host_has_to_do_is_said_once,
)
from tests.cuda.test_captured import test_the_same_bytes_twice as test_training_gives_the_same_bytes_twice  # noqa: F401
from tests.cuda.test_training import trained
from tests.kernels.test_contract import EXACT, Kernels, a_case, results
from tests.training.networks import network_a

pytestmark = pytest.mark.gpu
# Of the largest value. The same sums in the same order, but exp, sqrt and fused multiply-adds differ in last bits, and
# the sum inside one tensor-core instruction is the hardware's own.
SAME = {"float32": 2e-6, "tf32": 2e-5, "bf16": 2e-5, "3xtf32": 1e-5}


@pytest.fixture(scope="module", autouse=True)
def device():
    try:
        return CUDA()
    except DeviceError as cause:
        pytest.skip(f"no GPU: {cause}")


class OnDevice(Kernels):
    def __init__(self, precision):
        import cupy

        super().__init__("numpy_ref", "float32")
        self.own, self.array, self.numpy = cuda.bind(CuPyLauncher(precision)), cupy.asarray, cupy.asnumpy


PRODUCTS = [kernel for kernel in KERNELS if kernel.startswith(("conv", "dense"))]
CASES = [(kernel, "float32") for kernel in KERNELS] + [(kernel, p) for kernel in PRODUCTS for p in PRECISIONS[1:]]


@pytest.mark.parametrize(("kernel", "precision"), CASES)
def test_the_device_computes_what_the_emulation_does(rng, kernel, precision):
    on_device, emulated = OnDevice(precision), Kernels("numpy_ref", "float32")
    emulated.own = cuda.bind(emulation.launcher(precision))
    emulated.array, emulated.numpy = emulation.to_device, emulation.to_host
    args, kwargs = a_case(emulated, rng, kernel)
    pairs = zip(results(on_device, kernel, args, kwargs), results(emulated, kernel, args, kwargs), strict=True)
    for a, e in pairs:
        if e is not None:
            bound = 0 if kernel in EXACT or kernel == "dropout" else SAME[precision] * float(np.abs(e).max())
            np.testing.assert_allclose(a, e, rtol=0, atol=bound)


@pytest.mark.parametrize(("kernel", "precision"), CASES)
def test_the_same_bytes_twice(rng, kernel, precision):
    ks = OnDevice(precision)
    args, kwargs = a_case(ks, rng, kernel)
    first, second = (
        [out.tobytes() for out in results(ks, kernel, args, kwargs) if out is not None] for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize("stem", STEMS)
def test_every_variant_loads(stem):
    gpu = CuPyLauncher()
    for options in VARIANTS[stem]:
        for name in signatures(stem):
            function = gpu.module(stem, options).get_function(name)
            assert function.local_size_bytes == 0, f"{name} {options}: registers spilled"


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 2e-4), ("tf32", 5e-3)])
def test_training_agrees_with_the_cpu(rng, precision, tolerance):
    x, y = rng.random((40, 12, 10, 1)).astype("f"), np.eye(10, dtype=np.float32)[rng.integers(0, 10, 40)]
    losses, outputs, _ = trained(CUDA(precision=precision), x, y)
    expected_losses, expected_outputs, _ = trained(CPU("numpy_ref"), x, y)
    np.testing.assert_allclose(losses, expected_losses, rtol=tolerance)
    np.testing.assert_allclose(outputs, expected_outputs, atol=10 * tolerance)


@pytest.fixture
def gpu():
    """What tests/cuda/test_captured.py emulates."""
    return lambda precision="float32": CUDA(precision=precision)


def test_memory_comes_back_after_every_fit(device, rng):
    """A recording's pool goes with it: ten fits, each with recordings of its own, take no more than two."""
    x, y = rng.random((64, 28, 28, 1)).astype("f"), np.eye(10, dtype=np.float32)[rng.integers(0, 10, 64)]
    free = []
    for _ in range(10):
        model = network_a(seed=0, device=CUDA())
        model.compile("adam", "categorical_crossentropy")
        model.fit(x, y, batch_size=16, epochs=3, verbose=0)
        del model
        gc.collect()
        device.free_memory()
        free.append(device.memory()[0])
    assert free[1] - free[-1] < 2**20, free


def test_100_steps_of_network_a_agree_with_the_cpu():
    """Same seed, so the same order, warps and dropout: the mean loss of 100 steps within 2 %, and what was learnt."""
    (x, y), _, _ = data.digits.split(seed=2)
    results = []
    for device in (CUDA(), CPU()):
        model = network_a(seed=0, device=device)
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        generator = data.ImageDataGenerator(**recipes.AUGMENTATION, rescale=1 / 255)
        history = model.fit(generator.flow(x, y, batch_size=57), epochs=4, verbose=0).history
        assert model.streams.step == 4 * 26
        results.append((np.mean(history["loss"]), history["accuracy"][-1]))
    (loss, accuracy), (expected_loss, expected_accuracy) = results
    assert loss == pytest.approx(expected_loss, rel=0.02)
    assert accuracy == pytest.approx(expected_accuracy, abs=0.02)


def test_the_backend_describes_itself(device):
    free, total = device.memory()
    assert 0 < free <= total
    assert device.describe().startswith("GPU 0, ")
    assert set(device.table().values()) == {"cuda"}
