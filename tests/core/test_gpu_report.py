"""Broken GPU set-ups as facts: each has one line that mends it. Then the facts themselves, from a faked driver."""

import copy
import ctypes
import sys
import types

import pytest

from minicnn.backend import gpu_facts, gpu_report

H200 = {"name": "NVIDIA H200", "capability": (9, 0), "total": 150 * 2**30}
P100 = {"name": "Tesla P100", "capability": (6, 0), "total": 16 * 2**30}
T4 = {"name": "Tesla T4", "capability": (7, 5), "total": 15 * 2**30}
GOOD = {
    "platform": "linux", "hardware": True, "container": False, "visible": None,
    "driver": {"cuda": (13, 0), "devices": [H200], "error": None},
    "wheels": {"cupy-cuda13x": "14.2.0"},
    "cupy": {"version": "14.2.0", "error": None, "free": 140 * 2**30, "runtime": (13, 2), "nvrtc": (13, 0),
             "nvrtc_error": None, "headers": True},
}  # fmt: skip
CUDA_12 = {"cuda": (12, 4)}
FAILED = {"cuda": (13, 0), "devices": []}
NO_CUPY = {"wheels": {}, "cupy": {}}
WHEEL_12 = {"wheels": {"cupy-cuda12x": "14.2.0"}}
NVRTC_12 = {**WHEEL_12, "cupy": {"nvrtc": (12, 4), "runtime": (12, 9)}}
NO_DRIVER = "install NVIDIA's driver, so that nvidia-smi lists the GPU, and restart"
INSTALL_12, INSTALL_13 = "pip install -U 'cupy-cuda12x[ctk]'", "pip install -U 'cupy-cuda13x[ctk]'"


def facts(**changes) -> dict:
    """GOOD with changes; a dict changes the entries it names, but an empty one empties."""
    found = copy.deepcopy(GOOD)
    for name, value in changes.items():
        found[name] = {**found[name], **value} if isinstance(value, dict) and value and name != "wheels" else value
    return found


def fixes(found: dict) -> list[str]:
    return [fix for _, fix, _ in gpu_report.problems(found)]


def test_nothing_is_wrong_with_a_good_machine():
    assert gpu_report.problems(facts()) == []
    assert gpu_report.problems(facts(driver=CUDA_12, **NVRTC_12)) == []
    assert gpu_report.problems(facts(**NVRTC_12)) == []  # an old wheel on a new driver works


BROKEN = {
    "no CuPy": (facts(**NO_CUPY), [INSTALL_13]),
    "no CuPy, driver 12": (facts(driver=CUDA_12, **NO_CUPY), [INSTALL_12]),
    "no CuPy, old device": (facts(driver={"devices": [P100]}, **NO_CUPY), [INSTALL_12, 'use precision="float32"']),
    "no driver": (facts(driver={}, cupy={"error": "Insufficient"}), [NO_DRIVER]),
    "no driver, no CuPy": (facts(driver={}, **NO_CUPY), [NO_DRIVER, INSTALL_13]),
    "no driver in a container": (
        facts(driver={}, container=True), ["start the container with --gpus all (NVIDIA Container Toolkit)"],
    ),
    "no GPU at all": (facts(driver={}, hardware=False, **NO_CUPY), ['use device="cpu", or a machine with a GPU']),
    "macOS": (facts(platform="darwin", driver={}, **NO_CUPY), ['use device="cpu"']),
    "old driver": (facts(driver={"cuda": (11, 8)}), ["install a new NVIDIA driver"]),
    "old driver, no CuPy": (facts(driver={"cuda": (11, 8)}, **NO_CUPY), ["install a new NVIDIA driver", INSTALL_13]),
    "wheel 13, driver 12": (facts(driver=CUDA_12), ["pip uninstall -y cupy-cuda13x && " + INSTALL_12]),
    "wheel 13, old device": (
        facts(driver={"devices": [P100]}),
        ["pip uninstall -y cupy-cuda13x && " + INSTALL_12, 'use precision="float32"'],
    ),
    "two wheels": (
        facts(wheels={"cupy-cuda12x": "13.6", "cupy-cuda13x": "14.2"}),
        ["pip uninstall -y cupy-cuda12x cupy-cuda13x && " + INSTALL_13],
    ),
    "CuPy does not import": (
        {**facts(), "cupy": {"error": "ImportError: numpy"}}, ["pip uninstall -y cupy-cuda13x && " + INSTALL_13],
    ),
    "no NVRTC": (facts(cupy={"nvrtc": None, "nvrtc_error": "DynamicLibNotFoundError: x"}), [INSTALL_13]),
    "no NVRTC, wheel 12": (facts(cupy={"nvrtc": None, "nvrtc_error": "X: y"}, **WHEEL_12), [INSTALL_12]),
    "no NVRTC, conda": (
        facts(wheels={"cupy": "14"}, cupy={"nvrtc": None, "nvrtc_error": "X: y"}),
        ["conda install -c conda-forge cupy"],
    ),
    "no headers": (facts(cupy={"headers": False}), [INSTALL_13]),
    "NVRTC too new": (
        facts(driver=CUDA_12, **WHEEL_12), ["pip uninstall -y nvidia-cuda-nvrtc && " + INSTALL_12],
    ),
    "hidden": (
        facts(visible="-1", driver={**FAILED, "error": "CUDA_ERROR_NO_DEVICE"}, cupy={"error": "NoDevice"}),
        ["unset CUDA_VISIBLE_DEVICES"],
    ),
    "none found": (
        facts(driver={**FAILED, "error": "CUDA_ERROR_NO_DEVICE"}),
        ["run nvidia-smi, which says why; else restart the machine"],
    ),
    "updated driver": (
        facts(driver={**FAILED, "error": "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"}),
        ["restart the machine: the driver was updated while it ran"],
    ),
    "unknown driver error": (
        facts(driver={**FAILED, "error": "CUDA_ERROR_UNKNOWN"}),
        ["run nvidia-smi, which says why; else restart the machine or install the driver again"],
    ),
    "memory taken": (
        facts(cupy={"error": "CUDARuntimeError: cudaErrorMemoryAllocation: out of memory"}),
        ["end the programs that nvidia-smi lists"],
    ),
    "CuPy alone fails": (
        facts(cupy={"error": "CUDARuntimeError: x"}), ["pip uninstall -y cupy-cuda13x && " + INSTALL_13],
    ),
    "no tensor cores": (facts(driver={"devices": [T4]}), ['use precision="float32"']),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_one_line_mends_it(name):
    found, expected = BROKEN[name]
    assert fixes(found) == expected
    assert all(line for line in gpu_report.lines(found))  # any facts can be printed


def test_what_stops_the_gpu_and_what_does_not():
    assert [stops for *_, stops in gpu_report.problems(facts(driver={"devices": [T4]}))] == [False]
    for name, (found, _) in BROKEN.items():
        if name != "no tensor cores":
            assert gpu_report.problems(found)[0][2], name


def test_lines():
    assert gpu_report.lines(facts()) == [
        "driver for CUDA 13.0",
        "cupy-cuda13x 14.2.0, runtime 13.2, NVRTC 13.0",
        "GPU 0: NVIDIA H200, compute capability 9.0, 150.0 GiB, 140.0 free",
        gpu_report.UNSEEN,
        "self-check: not run yet; the first model on the GPU runs it",
    ]
    checked = {"float32": {}, "tf32": {"softmax": "does not run: X", "relu": "wrong numbers: Y"}, "bf16": None}
    assert gpu_report.lines(facts(cupy={**GOOD["cupy"], "checked": checked}))[-2:] == [
        "self-check, float32: all agree with the reference",
        "self-check, tf32: replaced: softmax does not run: X; relu wrong numbers: Y",
    ]
    assert gpu_report.lines(facts(driver={}, **NO_CUPY)) == ["no NVIDIA driver", "no CuPy"]
    assert gpu_report.lines(facts(visible="0"))[0] == "driver for CUDA 13.0, CUDA_VISIBLE_DEVICES=0"


class Driver:
    """The driver's C interface: one device, or the error `code` at the start."""

    def __init__(self, code: int = 0):
        self.code = code

    def cuDriverGetVersion(self, number):
        number._obj.value = 12040
        return 0

    def cuInit(self, flags):
        return self.code

    def cuGetErrorName(self, code, name):
        if code == 100:
            name._obj.value = b"CUDA_ERROR_NO_DEVICE"
        return 0

    def cuDeviceGetCount(self, number):
        number._obj.value = 1
        return 0

    def cuDeviceGet(self, handle, index):
        return 0

    def cuDeviceGetName(self, name, length, handle):
        name.value = b"Tesla T4"
        return 0

    def cuDeviceTotalMem_v2(self, total, handle):
        total._obj.value = 15 * 2**30
        return 0

    def cuDeviceGetAttribute(self, number, attribute, handle):
        number._obj.value = {75: 7, 76: 5}[attribute]
        return 0


def test_the_driver_is_asked(monkeypatch):
    monkeypatch.setattr(gpu_facts, "open_driver", Driver)
    assert gpu_facts.driver() == {"cuda": (12, 4), "devices": [T4], "error": None}
    for code, name in ((100, "CUDA_ERROR_NO_DEVICE"), (4711, "CUDA error 4711")):
        monkeypatch.setattr(gpu_facts, "open_driver", lambda code=code: Driver(code))
        assert gpu_facts.driver() == {"cuda": (12, 4), "devices": [], "error": name}


def test_a_driver_that_is_none(monkeypatch):
    def missing():
        raise OSError("libcuda.so.1: cannot open shared object file")

    monkeypatch.setattr(gpu_facts, "open_driver", missing)
    assert gpu_facts.driver() == {}
    monkeypatch.setattr(gpu_facts, "open_driver", lambda: ctypes.CDLL(None))  # a library without its functions
    assert "cuDriverGetVersion" in gpu_facts.driver()["error"]


def cupy(devices=1, nvrtc=(13, 0)):
    """A CuPy; without a driver getDeviceCount raises, without NVRTC getVersion does."""

    def answer(value):
        if isinstance(value, Exception):
            raise value
        return value

    module = types.ModuleType("cupy")
    module.__version__ = "14.2.0"
    module.cuda = types.SimpleNamespace(
        runtime=types.SimpleNamespace(runtimeGetVersion=lambda: 13020, getDeviceCount=lambda: answer(devices)),
        nvrtc=types.SimpleNamespace(getVersion=lambda: answer(nvrtc)),
        Device=lambda index: types.SimpleNamespace(mem_info=(7, 9)),
    )
    return module


def test_cupy_is_asked(monkeypatch):
    monkeypatch.setattr(gpu_facts, "_headers", lambda: True)
    monkeypatch.setitem(sys.modules, "cupy", cupy())
    assert gpu_facts.cupy() == {
        "checked": None, "version": "14.2.0", "error": None, "free": 7, "runtime": (13, 2), "nvrtc": (13, 0),
        "nvrtc_error": None,
        "headers": True,
    }  # fmt: skip


def test_cupy_without_a_driver_and_without_nvrtc(monkeypatch):
    broken = cupy(RuntimeError("cudaErrorInsufficientDriver"), RuntimeError('Failure finding "libnvrtc"\nlong advice'))
    monkeypatch.setitem(sys.modules, "cupy", broken)
    found = gpu_facts.cupy()
    assert found["error"] == "RuntimeError: cudaErrorInsufficientDriver"
    assert found["nvrtc"] is None
    assert found["nvrtc_error"] == 'RuntimeError: Failure finding "libnvrtc"'
    assert found["free"] is None


def test_cupy_that_does_not_import(monkeypatch, tmp_path):
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    for code, expected in (
        ("raise AttributeError('numpy has no bool8')", {"error": "AttributeError: numpy has no bool8"}),
        ("import absent_part", {"error": "ModuleNotFoundError: No module named 'absent_part'"}),
    ):
        (tmp_path / "cupy.py").write_text(code + f"  # {len(code)}")
        __import__("importlib").invalidate_caches()
        assert gpu_facts.cupy() == expected


def test_no_cupy(monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(gpu_facts.importlib, "import_module", absent)
    assert gpu_facts.cupy() == {}


def test_wheels(monkeypatch):
    def package(name):
        return types.SimpleNamespace(metadata={"Name": name}, version="1")

    names = ["cupy_cuda12x", "CuPy-cuda13x", "cupyx", "numpy", "cupy-xarray", None]
    monkeypatch.setattr(gpu_facts.importlib.metadata, "distributions", lambda: [package(name) for name in names])
    assert gpu_facts.wheels() == {"cupy-cuda12x": "1", "cupy-cuda13x": "1"}


def test_hardware(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_facts.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(gpu_facts.platform, "release", lambda: "6.1")
    assert gpu_facts.hardware(tmp_path / "absent") is None
    assert gpu_facts.hardware(tmp_path) is None
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "vendor").write_text("0x8086\n")
    assert gpu_facts.hardware(tmp_path) is False
    monkeypatch.setattr(gpu_facts.platform, "machine", lambda: "aarch64")  # Jetson: its GPU is not on the bus
    assert gpu_facts.hardware(tmp_path) is None
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "vendor").write_text("0x10de\n")
    assert gpu_facts.hardware(tmp_path) is True
