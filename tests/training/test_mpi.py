"""Several processes of mpiexec: the same bytes in each, those of one process up to rounding, and ends that end."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.machine import mpiexec

ROOT = Path(__file__).parents[2]
MPIEXEC = mpiexec()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.several,
    pytest.mark.skipif(MPIEXEC is None, reason='several processes need mpi4py and mpiexec: pip install -e ".[mpi]"'),
]

NETWORK = """
import sys, time
import numpy as np
import minicnn
from minicnn import Sequential, callbacks, layers
from minicnn.backend.cpu import CPU
rng = np.random.default_rng(5)
x, y = rng.random((80, 8, 8, 1)), np.eye(3)[rng.integers(0, 3, 80)]
def network(device, norm=False):
    normed = [layers.BatchNormalization(synchronized=True)] if norm else []
    model = Sequential([minicnn.Input((8, 8, 1)), layers.Conv2D(6, 3, activation="relu"), *normed,
                        layers.MaxPooling2D(), layers.Dropout(0.25), layers.Flatten(),
                        layers.Dense(3, activation="softmax")], seed=7, device=device)
    model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
    model.world = world
    return model
world = minicnn.World.mpi()
"""


def launch(folder, ranks, body, **how):
    """The program under mpiexec, or by itself: a Popen that is its own process group."""
    program = folder / "program.py"
    program.write_text(NETWORK + textwrap.dedent(body))
    command = [sys.executable, str(program), str(folder)]
    env = os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_NUM_THREADS": "1"}
    whole = [MPIEXEC, "-n", str(ranks), *command] if ranks else command
    return subprocess.Popen(whole, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how)


def finished(folder, ranks, body, seconds=500):
    """(exit code, output, errors) of it."""
    process = launch(folder, ranks, body)
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err


def weights(folder, ranks):
    return [dict(np.load(folder / f"{ranks}_{rank}.npz")) for rank in range(ranks)]


FIT = """
saved = {}
for name in ("one", "five", "one normed", "five normed"):
    rows, device = (16, CPU("numba_cpu")) if "one" in name else (80, CPU("numpy_ref", "float64"))
    model = network(device, "normed" in name)
    history = model.fit(x[:rows], y[:rows], batch_size=16, verbose=0).history
    saved |= {f"{name} {i}": w for i, w in enumerate(model.get_weights())}
    saved |= {f"{name} {key}": np.array(values) for key, values in history.items()}
np.savez(f"{sys.argv[1]}/{world.size}_{world.rank}.npz", **saved)
print("from rank", world.rank)
"""


def test_1_2_and_4_processes(tmp_path):
    """Ranks are byte-equal; one fast step is one process's within 1e-7, five of the float64 kernels' within 1e-12."""
    for count in (1, 2, 4):
        code, out, err = finished(tmp_path, count, FIT)
        assert code == 0, err
        assert out == "from rank 0\n"
    (alone,), *others = (weights(tmp_path, count) for count in (1, 2, 4))
    for ranks in others:
        for name, array in ranks[0].items():
            assert all(array.tobytes() == other[name].tobytes() for other in ranks), name
            tolerance = 1e-7 if name.startswith("one") else 1e-12
            np.testing.assert_allclose(array, alone[name], rtol=tolerance, atol=tolerance, err_msg=name)


def test_ranks_on_emulated_devices(tmp_path):
    """Each rank's step runs on a device; what is summed goes through the host, or is summed in the device's memory."""
    body = """
        from tests.cuda.emulation import EmulatedGPU
        model = network(EmulatedGPU())
        model.fit(x[:44].astype("f"), y[:44], batch_size=16, verbose=0)
        np.savez(f"{sys.argv[1]}/{world.size}_{world.rank}.npz", *model.get_weights())
    """
    on_device = """
        from tests.cuda.device_array import DeviceArray, device
        if world.size > 1:
            def total(array):
                assert type(array) is DeviceArray and array.flags.c_contiguous and array.dtype == np.float32
                sizes.append(array.size)
                return device(host(array.view(np.ndarray)))
            sizes, host = [], world.sum
            world.on_device = total
    """
    folders = [tmp_path / "host", tmp_path / "device"]
    for folder, text in zip(folders, ("", on_device), strict=True):
        folder.mkdir()
        for count in (1, 2):
            ended = "assert len(sizes) == 3" if text and count > 1 else ""
            code, _, err = finished(folder, count, textwrap.dedent(text) + textwrap.dedent(body) + ended)
            assert code == 0, err
        (alone,), (one, other) = weights(folder, 1), weights(folder, 2)
        for name, array in one.items():
            assert array.tobytes() == other[name].tobytes()
            np.testing.assert_allclose(array, alone[name], rtol=1e-6, atol=1e-6)
    ways = [weights(folder, 2)[0] for folder in folders]  # a sum of two is the same in either order
    assert all(array.tobytes() == ways[1][name].tobytes() for name, array in ways[0].items())


def test_without_mpiexec_a_process_is_alone(tmp_path):
    code, out, err = finished(tmp_path, 0, "print(world)")
    assert (code, out) == (0, "<World: rank 0 of 1>\n"), err


def test_an_exception_on_one_rank_ends_the_job(tmp_path):
    """In 5 seconds, though the others wait for its gradients."""
    began = time.monotonic()
    code, _, err = finished(tmp_path, 3, """
        class Fails(callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                if self.model.world.rank == 2 and batch == 1:
                    open(sys.argv[1] + "/failed", "w").close()
                    raise ValueError("a fault of this rank")
        network("cpu").fit(x, y, epochs=1000, verbose=0, callbacks=[Fails()])
    """)  # fmt: skip
    ended = time.monotonic() - began
    assert code != 0
    assert "rank 2 of 3 ends the job" in err
    assert "ValueError: a fault of this rank" in err
    failed = time.time() - (tmp_path / "failed").stat().st_mtime
    assert failed < 5, f"{failed:.1f} s after the exception, {ended:.1f} s in all"


LONG = """
import os
class Slow(callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if "whole" not in sys.argv[1]:
            time.sleep(0.02)
    def on_epoch_end(self, epoch, logs=None):
        open(f"{sys.argv[1]}/pid_{self.model.world.rank}", "w").write(f"{os.getpid()} {epoch}")
model = network("cpu")
model.fit(x, y, batch_size=16, epochs=30, verbose=0, callbacks=[Slow()],
          checkpoint=minicnn.CheckpointOptions(sys.argv[1] + "/run", save_steps=1))
np.savez(f"{sys.argv[1]}/{world.size}_{world.rank}.npz", *model.get_weights())
"""


def wait_for(path, seconds=300):
    """The words of a file that a process writes."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if path.exists() and path.read_text():
            return path.read_text().split()
        time.sleep(0.02)
    raise AssertionError(f"{path.name} did not come")


def test_kill_9_of_one_rank_ends_the_job_and_the_same_command_goes_on(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
    code, _, err = finished(whole, 2, LONG)
    assert code == 0, err
    process = launch(killed, 2, LONG)
    pid, epoch = wait_for(killed / "pid_1")
    os.kill(int(pid), signal.SIGKILL)
    process.communicate(timeout=100)
    assert process.returncode != 0
    assert int(epoch) < 29
    assert not (killed / "2_0.npz").exists()
    code, _, err = finished(killed, 2, LONG)
    assert code == 0, err
    for one, other in zip(weights(whole, 2), weights(killed, 2), strict=True):
        assert all(one[name].tobytes() == other[name].tobytes() for name in one)


def test_ctrl_c_stops_all_at_the_same_step(tmp_path):
    caught = "except KeyboardInterrupt:\n  open(f'{sys.argv[1]}/at_{world.rank}', 'w').write(str(model.steps_done))\n"
    body = LONG.replace("model.fit(", "try:\n  model.fit(").replace("np.savez", caught + "np.savez")
    process = launch(tmp_path, 2, body)
    wait_for(tmp_path / "pid_0")
    pid, _ = wait_for(tmp_path / "pid_1")
    os.kill(int(pid), signal.SIGINT)
    _, err = process.communicate(timeout=100)
    (one,), (other,) = (wait_for(tmp_path / f"at_{rank}", 5) for rank in (0, 1))
    assert one == other, err
    assert 0 < int(one) < 150
    one, other = weights(tmp_path, 2)
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)


def test_the_train_command(tmp_path):
    """Both ranks train; rank 0 alone prints, and writes the outputs."""
    env = os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    env.pop("MINICNN_DATA", None)
    command = ["-m", "minicnn", "train", "--distributed", "--epochs", "1", "--limit", "64", "--kernels", "numpy_ref",
               "--out", "out"]  # fmt: skip
    done = subprocess.run([MPIEXEC, "-n", "2", sys.executable, *command], env=env, cwd=tmp_path, text=True,
                          capture_output=True, timeout=500)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("processes 2, each with its part of every batch") == 1
    assert done.stdout.count("result ") == 2
    assert (tmp_path / "out" / "weights.safetensors").exists()
    refused = subprocess.run([MPIEXEC, "-n", "2", sys.executable, *command[:-1], "out/history.csv"], env=env,
                             cwd=tmp_path, text=True, capture_output=True, timeout=300)  # fmt: skip
    assert refused.returncode != 0


def test_the_kubernetes_file_of_the_cluster_page_is_read_by_a_yaml_parser():
    yaml = pytest.importorskip("yaml", reason='a YAML reader comes with optuna: pip install -e ".[search]"')
    text = (ROOT / "docs" / "cluster.md").read_text("utf-8").partition("```yaml\n")[2].partition("```")[0]
    roles = yaml.safe_load(text)["spec"]["mpiReplicaSpecs"]
    assert (roles["Launcher"]["replicas"], roles["Worker"]["replicas"]) == (1, 2)
    assert "--distributed" in roles["Launcher"]["template"]["spec"]["containers"][0]["command"]


def test_the_efficiency_program(tmp_path):
    """It runs; what it measures here says nothing."""
    program = ROOT / "benchmarks" / "ranks.py"
    small = ["--images", "32", "--rounds", "1", "--epochs", "1", "--recipe", "valid_conv"]
    done = subprocess.run([sys.executable, str(program), *small], text=True, capture_output=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 ranks of 1 thread" in done.stdout
    assert "cores, commit" in done.stdout
