"""minicnn.doctor(): on this machine, and on broken ones that are faked as facts."""

import copy
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import minicnn
from minicnn import diagnosis, kernels
from minicnn.__main__ import main
from minicnn.diagnosis import advice, facts, text

ROOT = Path(__file__).parents[2]
NO_GPU = {"platform": "linux", "hardware": False, "container": False, "visible": None, "driver": {}, "wheels": {},
          "cupy": {}}  # fmt: skip
GOOD_GPU = {
    **NO_GPU, "hardware": True, "wheels": {"cupy-cuda13x": "14.2.0"},
    "driver": {"cuda": (13, 0), "devices": [{"name": "H200", "capability": (9, 0), "total": 2**37}], "error": None},
    "cupy": {"version": "14.2.0", "error": None, "free": 2**36, "runtime": (13, 2), "nvrtc": (13, 0),
             "nvrtc_error": None, "headers": True},
}  # fmt: skip
GOOD = {
    "minicnn": {"version": "0.1.0", "origin": "checkout", "folder": "a/minicnn", "commit": "0123456789ab",
                "strangers": [], "hidden": False},
    "system": {"python": "3.12.1", "platform": "Linux", "cpu": "A CPU", "cores": 2, "cores_in_all": 4, "quota": None,
               "memory": 8 * 2**30, "memory_free": 2**30},
    "numpy": {"version": "2.4.0", "blas": "scipy-openblas 0.3", "threads": 2, "architecture": "Haswell",
              "settings": {}},
    "numba": {"version": "0.61.0", "settings": {}, "kernels_error": None, "threads": 2, "layer": "omp",
              "layer_error": None, "cpu": "znver4", "tile": "AVX512, 14 x 32 sums",
              "cache": {"place": "beside the kernels", "folder": "numba_cpu/__pycache__", "writable": True, "files": 3,
                        "bytes": 3 * 2**20}},
    "packages": {"h5py": "3.10", "tqdm": "4.66"},
    "data": {"minicnn_data": None, "kaggle": False, "mnist": False, "local": False},
    "gpu": GOOD_GPU,
}  # fmt: skip


def machine(**changes) -> dict:
    """GOOD with changes: machine(numba={"threads": 8})."""
    found = copy.deepcopy(GOOD)
    for subject, values in changes.items():
        found[subject] = values if "error" in values else {**found[subject], **values}
    return found


@pytest.fixture
def examined(monkeypatch):
    """doctor() on a faked machine: the facts and the lines."""

    def examine(found, device="auto"):
        monkeypatch.setattr(facts, "gather", lambda: copy.deepcopy(found))
        monkeypatch.setattr(facts, "kernel_table", lambda name: {"set": name, "table": {"conv2d": name, "relu": name}})
        lines = []
        return diagnosis.doctor(device, print_fn=lines.append), lines

    return examine


def test_here(capsys):
    found = minicnn.doctor("cpu")
    said = capsys.readouterr().out
    assert found["works"] is True
    assert found["minicnn"]["version"] == minicnn.__version__
    assert found["kernels"]["table"] == dict.fromkeys((*kernels.KERNELS, *kernels.FUSED), "numba_cpu")
    assert f"numba_cpu serves all {len(found['kernels']['table'])}\n" in said
    assert found["numba"]["threads"] >= 1
    assert found["numba"]["tile"].split(",")[0] in ("AVX512", "AVX2", "NEON", "GENERIC")
    assert found["numba"]["cache"]["writable"] is True
    assert "\ncpu works, " in said
    assert str(Path.home()) not in said
    assert str(ROOT) not in said


def test_silent_and_plain(capsys):
    found = minicnn.doctor(print_fn=None)
    assert capsys.readouterr().out == ""
    assert json.loads(json.dumps(found)).keys() == found.keys()


def test_an_unknown_device():
    with pytest.raises(ValueError, match=r"^device: expected one of auto, cpu, cuda, received 'gpu'"):
        minicnn.doctor("gpu")


def test_nothing_is_wrong_with_a_good_machine(examined):
    found, lines = examined(GOOD)
    assert found["problems"] == []
    assert found["devices"] == {"cpu": True, "cuda": True}
    assert found["kernels"]["set"] == "cuda"  # "auto" is the GPU where there is one
    assert lines == [
        "minicnn   0.1.0, checkout (.../a/minicnn), commit 0123456789ab",
        "system    Python 3.12.1, Linux",
        "          A CPU, 2 of 4 cores usable, 8.0 GiB of memory, 1.0 free",
        "numpy     2.4.0, scipy-openblas 0.3, 2 threads, Haswell",
        "numba     0.61.0, 2 threads, layer omp",
        "          CPU znver4, register tile AVX512, 14 x 32 sums",
        "          cache beside the kernels, can be written, 3 kernels, 3.0 MiB",
        "kernels   cuda serves all 2",
        "packages  h5py 3.10, tqdm 4.66",
        "data      MINICNN_DATA: not set; ./data: no",
        "gpu       driver for CUDA 13.0",
        "          cupy-cuda13x 14.2.0, runtime 13.2, NVRTC 13.0",
        "          GPU 0: H200, compute capability 9.0, 128.0 GiB, 64.0 free",
        "          the project's own tests have not run on a GPU: each GPU checks the kernels for itself",
        "          self-check: not run yet; the first model on the GPU runs it",
        "",
        "cpu works, cuda works",
    ]


def failed(message):
    return {"kernels_error": message, "threads": None, "layer": None, "tile": None, "cache": None}


CACHE_LINE = 'export NUMBA_CACHE_DIR="$(mktemp -d)", or a folder of yours that lasts'
STRANGER = {"strangers": ["the package .../site-packages/minicnn", "the distribution minicnn 0.3.0"]}
BROKEN = {  # name: (machine, the fix, what it stops)
    "no NumPy": (
        machine(numpy={"error": "ModuleNotFoundError: No module named 'numpy'"}, numba={"error": "the same"}),
        "pip install 'numpy>=1.26'", "cpu",
    ),
    "broken NumPy": (
        machine(numpy={"error": "ImportError: x"}), "pip install --force-reinstall 'numpy>=1.26'", "cpu",
    ),
    "no Numba": (machine(numba={"version": None, **failed("ModuleNotFoundError: x")}), "pip install 'numba>=0.61'",
                 "cpu"),
    "old Numba": (machine(numba=failed("ImportError: Numba needs NumPy 2.3 or less")), "pip install -U numba", "cpu"),
    "Numba fails": (machine(numba=failed("LoweringError: x")), "report it with this output", "cpu"),
    "no place to cache": (
        machine(numba=failed("RuntimeError: cannot cache function 'f': no locator available")), CACHE_LINE, "cpu",
    ),
    "read-only cache": (
        machine(numba={"cache": {**GOOD["numba"]["cache"], "writable": False}}), CACHE_LINE, None,
    ),
    "no cache": (machine(numba={"cache": None}), CACHE_LINE, None),
    "unused NUMBA_CACHE_DIR": (machine(numba={"settings": {"NUMBA_CACHE_DIR": "(a path)"}}), CACHE_LINE, None),
    "no compiler": (
        machine(numba={"settings": {"NUMBA_DISABLE_JIT": "1"}}),
        'unset NUMBA_DISABLE_JIT; to step through a kernel use kernels="numpy_ref"', "cpu",
    ),
    "no such layer": (
        machine(numba={"layer_error": "ValueError: No threading layer could be loaded.", "threads": None,
                       "settings": {"NUMBA_THREADING_LAYER": "tbb"}}), "unset NUMBA_THREADING_LAYER", "cpu",
    ),
    "no threads": (
        machine(numba={**failed("ValueError: Number of threads specified must be > 0."),
                       "settings": {"NUMBA_NUM_THREADS": "0"}}), "unset NUMBA_NUM_THREADS", "cpu",
    ),
    "ignored threads": (machine(numba={"settings": {"NUMBA_NUM_THREADS": "two"}}), "unset NUMBA_NUM_THREADS", None),
    "too many threads": (
        machine(numba={"settings": {"NUMBA_NUM_THREADS": "8"}, "threads": 8}), "unset NUMBA_NUM_THREADS", None,
    ),
    "too many BLAS threads": (
        machine(numpy={"settings": {"OPENBLAS_NUM_THREADS": "64"}}), "unset OPENBLAS_NUM_THREADS", None,
    ),
    "a list of threads": (machine(numpy={"settings": {"OMP_NUM_THREADS": "4,2"}}), "unset OMP_NUM_THREADS", None),
    "quota": (
        machine(system={"cores": 64, "quota": 1.5}, numba={"threads": 64}), "export NUMBA_NUM_THREADS=1", None,
    ),
    "packages": (machine(packages={"h5py": None, "tqdm": None}), "pip install h5py tqdm", None),
    "PyPI's minicnn beside a checkout": (
        machine(minicnn=STRANGER), "pip uninstall -y minicnn; then in the checkout: pip install -e .", None,
    ),
    "PyPI's minicnn beside an installed one": (
        machine(minicnn={**STRANGER, "origin": "installed"}), "pip uninstall -y minicnn; then install this one again",
        None,
    ),
    "data": (machine(data={"minicnn_data": False}), "unset MINICNN_DATA, or create the folder", None),
    "no GPU": (machine(gpu=NO_GPU), 'use device="cpu", or a machine with a GPU', "cuda"),
    "the GPU's facts fail": (machine(gpu={"error": "KeyError: x"}), "report it with this output", "cuda"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_one_line_mends_it(name, examined, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    broken, fix, stops = BROKEN[name]
    found, lines = examined(broken)
    assert [(problem["fix"], problem["stops"]) for problem in found["problems"]] == [(fix, stops)]
    assert lines[-2:] == [f"- {found['problems'][0]['what']}", f"  fix: {fix}"]
    assert found["devices"] == {"cpu": stops != "cpu", "cuda": stops != "cuda"}
    assert found["works"] is (stops != "cpu")


def test_what_is_no_problem():
    two = {"NUMBA_NUM_THREADS": "2", "NUMBA_DISABLE_JIT": "0"}
    for good in (
        machine(numba={"settings": two}), machine(numpy={"settings": {"OMP_NUM_THREADS": "1,1"}}),
        machine(system={"quota": 2.0}), machine(system={"error": "OSError"}), machine(data={"minicnn_data": True}),
    ):  # fmt: skip
        assert advice.problems(good) == []


def test_what_stops_the_cpu_comes_first(examined):
    broken = machine(numpy={"settings": {"OMP_NUM_THREADS": "9"}}, gpu=NO_GPU, numba=failed("ImportError: x"))
    found, _ = examined(broken)
    assert [problem["stops"] for problem in found["problems"]] == ["cpu", "cuda", None]


def test_windows_has_another_shell(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    assert advice.unset("A") == "set A="
    assert advice.cache_line() == r"set NUMBA_CACHE_DIR=%TEMP%\minicnn-numba"


@pytest.mark.parametrize(("found", "codes"), [
    (machine(), {"auto": 0, "cpu": 0, "cuda": 0}),
    (machine(gpu=NO_GPU), {"auto": 0, "cpu": 0, "cuda": 1}),
    (machine(numba=failed("ImportError: x")), {"auto": 1, "cpu": 1, "cuda": 1}),
])  # fmt: skip
def test_exit_codes(found, codes, monkeypatch, capsys):
    monkeypatch.setattr(facts, "gather", lambda: copy.deepcopy(found))
    monkeypatch.setattr(facts, "kernel_table", lambda name: {"set": name, "table": {}})
    assert {device: main(["doctor", "--device", device]) for device in codes} == codes
    assert "does not load" in capsys.readouterr().out


def test_the_device_chooses_the_kernels(examined):
    chosen = {device: examined(GOOD, device)[0]["kernels"]["set"] for device in ("auto", "cpu", "cuda")}
    assert chosen == {"auto": "cuda", "cpu": "numba_cpu", "cuda": "cuda"}
    assert examined(machine(gpu=NO_GPU))[0]["kernels"]["set"] == "numba_cpu"


def test_a_mixed_table_names_every_kernel():
    lines = text._kernels({"set": "x", "table": {"conv2d": "cuda", "relu": "numpy_ref", "dense": "cuda"}})
    assert lines == ["cuda: conv2d dense", "numpy_ref: relu"]


def test_a_subject_that_raises_is_reported(monkeypatch, capsys):
    monkeypatch.setattr(facts, "data", lambda: 1 / 0)
    found = minicnn.doctor()
    assert found["data"] == {"error": "ZeroDivisionError: division by zero"}
    assert "data      ZeroDivisionError: division by zero\n" in capsys.readouterr().out


def run(code: str = "", **environment) -> tuple[int, str]:
    """`python -m minicnn doctor --device cpu`, or other code, as a process of its own."""
    command = ["-c", code] if code else ["-m", "minicnn", "doctor", "--device", "cpu"]
    done = subprocess.run([sys.executable, *command], cwd=ROOT, env={**os.environ, **environment}, capture_output=True,
                          text=True, timeout=600)  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(("environment", "code", "expected"), [
    ({"NUMBA_DISABLE_JIT": "1"}, 1, "- NUMBA_DISABLE_JIT=1: the fast kernels do not run uncompiled\n"),
    ({"NUMBA_NUM_THREADS": "0"}, 1, "- NUMBA_NUM_THREADS=0: expected a whole number of at least 1\n"),
    ({"NUMBA_THREADING_LAYER": "none"}, 1, "- NUMBA_THREADING_LAYER=none cannot be loaded\n"),
    ({"OPENBLAS_NUM_THREADS": "4000"}, 0, "- OPENBLAS_NUM_THREADS=4000, but "),
])  # fmt: skip
def test_processes_that_are_really_broken(environment, code, expected):
    returned, said = run(**environment)
    assert returned == code, said
    assert expected in said


@pytest.mark.parametrize("missing", ["numpy", "numba"])
def test_without_what_everything_needs(missing):
    returned, said = run(f"import sys; sys.modules[{missing!r}] = None; import minicnn; minicnn.doctor()")
    assert returned == 0, said
    assert "cpu does not work" in said
    assert f"fix: pip install {dict(numpy=chr(39) + 'numpy>=1.26' + chr(39), numba='-U numba')[missing]}" in said


def test_a_strangers_package_is_seen_on_the_path(tmp_path, monkeypatch):
    here, site = tmp_path / "checkout" / "minicnn", tmp_path / "site-packages"
    for folder in (here, site / "minicnn", tmp_path / "copy" / "minicnn" / "diagnosis"):
        folder.mkdir(parents=True)
    for package in (here, site / "minicnn", tmp_path / "copy" / "minicnn"):
        (package / "__init__.py").touch()
    monkeypatch.setattr(sys, "path", [str(here.parent), str(tmp_path / "copy")])
    assert facts.strangers(here) == []
    monkeypatch.setattr(sys, "path", [str(here.parent), str(site)])
    assert facts.strangers(here) == ["the package .../site-packages/minicnn"]
    (site / "minicnn-0.3.0.dist-info").mkdir()
    (site / "minicnn-0.3.0.dist-info" / "METADATA").write_text("Name: minicnn\nVersion: 0.3.0\n")
    assert facts.strangers(here)[1:] == ["the distribution minicnn 0.3.0"]
    assert facts.strangers(site / "minicnn") == [  # ours, installed over it
        "the package .../checkout/minicnn", "the distribution minicnn 0.3.0, in the same folder",
    ]  # fmt: skip
    (here.parent / "minicnn.egg-info").mkdir()
    (here.parent / "minicnn.egg-info" / "PKG-INFO").write_text("Name: minicnn\nVersion: 0.1.0\n")
    monkeypatch.setattr(sys, "path", [str(here.parent)])
    assert facts.strangers(here) == []


def test_a_strangers_package_is_told_by_a_process(tmp_path):
    (tmp_path / "minicnn").mkdir()
    (tmp_path / "minicnn" / "__init__.py").write_text("raise ImportError('torch')")
    returned, said = run(PYTHONPATH=str(tmp_path))
    assert returned == 0
    assert f"called minicnn too: the package .../{tmp_path.name}/minicnn; import minicnn may find it" in said


def test_the_folder_that_holds_a_checkout_hides_the_package(tmp_path, monkeypatch):
    inside = tmp_path / "minicnn" / "minicnn"
    inside.mkdir(parents=True)
    (inside / "__init__.py").touch()
    monkeypatch.setattr(sys, "path", ["", str(tmp_path / "site-packages")])
    assert [facts.hidden(place) for place in (tmp_path, tmp_path / "minicnn", inside)] == [True, False, False]
    package = tmp_path / "site-packages" / "minicnn"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()  # a package on the path is found all the same
    importlib.invalidate_caches()
    assert not facts.hidden(tmp_path)
    (said,) = advice.problems(machine(minicnn={"hidden": True}))
    assert (said["fix"], said["stops"]) == ("cd minicnn, or start elsewhere", None)


def test_quota(tmp_path):
    assert facts.quota(tmp_path) is None
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert facts.quota(tmp_path) is None
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert facts.quota(tmp_path) == 1.5
    old = tmp_path / "old"
    (old / "cpu").mkdir(parents=True)
    (old / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    for granted, expected in (("-1", None), ("300000", 3.0)):
        (old / "cpu" / "cpu.cfs_quota_us").write_text(granted)
        assert facts.quota(old) == expected


def test_a_folder_that_cannot_be_written(tmp_path):
    assert facts.writable(tmp_path)
    assert not facts.writable(tmp_path / "absent")
    assert not list(tmp_path.iterdir())


def test_data_is_found_and_not_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MINICNN_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in ("kaggle/train.csv.gz", "mnist/train-images-idx3-ubyte.gz", "data/train.csv"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    found = minicnn.doctor()
    assert found["data"] == {"minicnn_data": True, "kaggle": True, "mnist": True, "local": True}
    said = capsys.readouterr().out
    assert "MINICNN_DATA: yes (kaggle: yes, mnist: yes); ./data: yes\n" in said
    assert str(tmp_path) not in said
