"""Trust in a device: planted faults (a compiler's error, a launch that fails, wrong numbers) are named and replaced."""

import shutil

import numpy as np
import pytest

from minicnn import layers
from minicnn.backend import selfcheck as backend_selfcheck
from minicnn.backend.cpu import CPU
from minicnn.errors import DeviceError
from minicnn.kernels import KERNELS
from minicnn.kernels.cuda import launch, selfcheck
from minicnn.training.sequential import Sequential
from tests.cuda import emulation
from tests.cuda.emulation import EmulatedGPU, to_host

HERE = {"device": "emulated", "driver": 13000}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache folder of the test's own."""
    monkeypatch.setenv("MINICNN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def plant(tmp_path, monkeypatch):
    """plant("loss.cu", "expf(", "sinf("): a copy of the sources with this fault."""
    folder = tmp_path / "sources"

    def forget():
        launch.source.cache_clear()
        launch.signatures.cache_clear()

    def fault(file, old, new):
        if not folder.exists():
            shutil.copytree(launch.FOLDER, folder)
            monkeypatch.setattr(launch, "FOLDER", folder)
        text = (folder / file).read_text("utf-8")
        assert old in text
        (folder / file).write_text(text.replace(old, new), "utf-8")
        forget()

    yield fault
    forget()


class Refusing(emulation.EmulatedLauncher):
    """A driver that does not start some kernels, and after `fatal` ones nothing any more."""

    refused, fatal, dead = (), (), False

    def start(self, stem, options, kernel, grid, block, args):
        if self.dead or kernel in self.refused:
            self.dead = self.dead or kernel in self.fatal
            raise RuntimeError("CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access\nand advice")
        super().start(stem, options, kernel, grid, block, args)


def gpu(cls=emulation.EmulatedLauncher):
    emulation.launcher()  # skips where there is no compiler
    return cls(emulation.folder())


def trusted(gpu, **how):
    return backend_selfcheck.trusted(gpu, to_host, HERE, **how)


def test_all_is_well_and_remembered(cache, notes):
    assert trusted(gpu()) == {}
    said = notes()
    assert said[0].startswith("GPU self-check, once per machine and version: compiling 16 files")
    assert f"{len(selfcheck.CHECKED) + 1} of {len(selfcheck.CHECKED) + 1} agree with the reference" in said[1]
    assert len(list(cache.iterdir())) == 1

    class Unasked(emulation.EmulatedLauncher):
        def __call__(self, *launch, **how):
            raise RuntimeError("checked again")

    assert trusted(gpu(Unasked), strict=True) == {}
    wrong = backend_selfcheck.trusted(gpu(Unasked), to_host, HERE | {"driver": 13010})  # another driver
    assert set(wrong.values()) == {"does not run: checked again"}


def test_what_the_cached_file_may_say(cache):
    trusted(gpu())
    (file,) = cache.iterdir()
    for text, expected in (("", None), ("[]", None), ('{"wrong": []}', None), ('{"wrong": {"relu": 3, "os": "x"}}', {}),
                           ('{"wrong": {"relu": "does not run"}}', {"relu": "does not run"})):  # fmt: skip
        file.write_text(text)
        assert backend_selfcheck.read(file.name) == expected


def test_an_error_of_the_compiler(plant):
    plant("loss.cu", "log_sum = logf(of.sum)", "log_sum = logf(of.sum")
    wrong = trusted(gpu())
    assert set(wrong) == {"softmax", "softmax_cross_entropy", "summed_cross_entropy"}
    assert all(reason.startswith("does not compile: loss.cu") for reason in wrong.values())


@pytest.mark.parametrize(
    ("file", "old", "new", "kernels"),
    [
        ("optimizer.cu", "(sqrtf(second) + eps)", "(sqrtf(second + eps))", {"adam_step"}),
        ("activation.cu", "y[i] = rectify(x[i]);", "y[i] = x[i];", {"relu"}),
        ("pool.cu", "sum / (float)(", "sum / (float)(1 + ", {"average_pool"}),
        ("step.cu", "losses[now] = *loss;", "losses[now] = 0;", {selfcheck.RECORDED}),
        ("philox.cuh", "round < 10", "round < 9", {"philox", "dropout", "max_pool", "batch_norm_max_pool",
                                                      "batch_norm_dropout", "batch_norm_dropout_grad"}),
        ("loss.cu", "*total = sum * scale;", "*total = sum;", {"summed_cross_entropy"}),
        ("norm.cu", "y[i] = Drop{DRAWS}(v, i);", "y[i] = v;", {"batch_norm_dropout"}),
    ],
)
def test_wrong_numbers(plant, file, old, new, kernels):
    plant(file, old, new)
    wrong, alive = selfcheck.check(gpu(), to_host)
    assert alive
    assert set(wrong) == kernels
    assert all(reason.startswith("wrong numbers: ") for reason in wrong.values())


def test_a_launch_that_fails(notes):
    launcher = gpu(Refusing)
    launcher.refused = ("moment_parts",)
    wrong = trusted(launcher)
    reason = "does not run: CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access"
    assert wrong == {"batch_norm_stats": reason}
    assert notes()[-1] == (
        f"GPU self-check: batch_norm_stats {reason}; the reference kernels take their place: slower, the same numbers"
    )
    with pytest.raises(DeviceError, match=r'^kernels "cuda": expected every kernel to agree .* batch_norm_stats'):
        trusted(launcher, strict=True)


def test_a_kernel_that_ends_the_devices_work_is_known_next_time(monkeypatch):
    launcher = gpu(Refusing)
    launcher.refused = launcher.fatal = ("softmax",)
    ones = launcher.xp.ones
    monkeypatch.setattr(
        launcher.xp, "ones", lambda *a: (_ for _ in ()).throw(RuntimeError("dead")) if launcher.dead else ones(*a),
        raising=False,
    )  # fmt: skip
    with pytest.raises(DeviceError, match=r"the kernel softmax does not run: .* start again, and the reference"):
        trusted(launcher)
    assert set(trusted(gpu())) == {"softmax"}


def small(device, x, y):
    model = Sequential(
        [
            layers.Conv2D(4, 3, padding="same", activation="relu", input_shape=(8, 8, 1)),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ],
        device=device,
        seed=7,
    )
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    return model.fit(x, y, batch_size=8, epochs=2, verbose=0).history["loss"]


@pytest.mark.parametrize("name", [*selfcheck.CHECKED, selfcheck.RECORDED])
def test_a_product_of_the_reference_depends_on_the_rows_beside_it(name):
    device = EmulatedGPU(wrong={name: "does not run"})
    assert device.batch_invariant == (name.split("_")[0] not in ("conv2d", "dense"))


@pytest.mark.parametrize(
    "wrong", [("relu_bias_grad", "adam_step"), ("conv2d", "philox"), ("dense",), (selfcheck.RECORDED,),
              ("batch_norm_max_pool", "max_pool_grad"), selfcheck.CHECKED, tuple(selfcheck.BLOCKS)],
    ids=lambda names: "-".join(names)[:40],
)  # fmt: skip
def test_training_goes_on_with_the_reference_in_their_place(rng, wrong):
    x, y = rng.random((20, 8, 8, 1)).astype("f"), np.eye(10, dtype=np.float32)[rng.integers(0, 10, 20)]
    device = EmulatedGPU(wrong=dict.fromkeys(wrong, "does not run"))
    np.testing.assert_allclose(small(device, x, y), small(CPU("numpy_ref"), x, y), rtol=1e-4)
    for name in wrong:
        if name in KERNELS:
            assert device.table()[name] == "numpy_ref"
    ran = {kernel for _, kernel, _ in device.launcher.started}
    assert "adam_step" not in ran or "adam_step" not in wrong
