"""Two hosts on one machine: mpiexec over two network namespaces, which share nothing but a cable between them.

    python benchmarks/two_hosts.py            Linux, root, iproute2; pip install -e ".[mpi]"

Each namespace has a network of its own: lo, and one end of a virtual cable. MPICH starts its second rank with a
launcher of our own in place of ssh, and speaks TCP over the cable. What is checked: both ranks end with the same
bytes, which are those of one process within 1e-6 (float32, five steps), and the sums went over the cable: the bytes
that it carried are counted. Exit code 0: so it is; 1: it is not; 77: this system does not permit it, and says why.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import machine
import numpy as np

ROOT = Path(__file__).parents[1]
NOT_PERMITTED = 77
HOSTS = {"10.77.0.1": "a", "10.77.0.2": "b"}
LAUNCHER = """#!/bin/sh
while [ "${1#-}" != "$1" ]; do shift; done
host=$1; shift
case $host in 10.77.0.1) name=%(a)s ;; *) name=%(b)s ;; esac
exec ip netns exec $name sh -c "$*"
"""


class NotPermitted(Exception):
    pass


def ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode:
        raise NotPermitted(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def hosts(stack: ExitStack) -> dict[str, str]:
    """Two namespaces and the cable between them, until `stack` is closed: letter -> name."""
    if shutil.which("ip") is None:
        raise NotPermitted("there is no command ip (iproute2)")
    names = {letter: f"minicnn{os.getpid()}{letter}" for letter in HOSTS.values()}
    for name in names.values():
        ip("netns", "add", name)
        stack.callback(subprocess.run, ["ip", "netns", "del", name], capture_output=True)
    ip("link", "add", "cable", "netns", names["a"], "type", "veth", "peer", "name", "cable", "netns", names["b"])
    for address, letter in HOSTS.items():
        ip("-n", names[letter], "addr", "add", f"{address}/24", "dev", "cable")
        for device in ("lo", "cable"):
            ip("-n", names[letter], "link", "set", device, "up")
    for name in names.values():  # the kernel says so a while later, and until then MPICH finds no network but lo
        until = time.monotonic() + 30
        while "state UP" not in ip("-n", name, "link", "show", "cable"):
            if time.monotonic() > until:
                raise SystemExit("two hosts: the cable did not come up in 30 s")
            time.sleep(0.01)
    return names


def train(out: Path) -> None:
    """What every rank does: five steps, and a file with its weights."""
    import minicnn

    rng = np.random.default_rng(5)
    x, y = rng.random((80, 8, 8, 1)), np.eye(3)[rng.integers(0, 3, 80)]
    nn, world = minicnn.layers, minicnn.World.mpi()
    model = minicnn.Sequential(
        [
            minicnn.Input((8, 8, 1)), nn.Conv2D(6, 3, activation="relu"), nn.BatchNormalization(synchronized=True),
            nn.Dropout(0.25), nn.Flatten(), nn.Dense(3, activation="softmax"),
        ],
        seed=7, kernels="numpy_ref",
    )  # fmt: skip
    model.compile("adam", "categorical_crossentropy")
    model.world = world
    model.fit(x, y, batch_size=16, verbose=0)
    carried = 0
    if world.size > 1:
        (line,) = (one for one in Path("/proc/net/dev").read_text().splitlines() if "cable" in one)
        carried = int(line.partition(":")[2].split()[0])  # bytes received
    np.savez(out / f"{world.size}_{world.rank}.npz", *model.get_weights(), carried=carried)


def check(out: Path) -> None:
    """Both kinds of run, and what has to be true of them."""
    command = [sys.executable, __file__, "--out", str(out)]
    env = os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_NUM_THREADS": "1"}
    mpiexec = machine.mpiexec()
    if mpiexec is None:
        raise NotPermitted(machine.NO_MPI)
    subprocess.run(command, env=env, check=True)
    with ExitStack() as stack:
        names = hosts(stack)
        launcher = out / "launcher"
        launcher.write_text(LAUNCHER % names)
        launcher.chmod(0o700)
        # else the two find out that they are one machine, or meet on lo, which they have each for itself
        over = {"FI_PROVIDER": "tcp", "UCX_TLS": "tcp,self", "UCX_NET_DEVICES": "cable"}
        subprocess.run(
            ["ip", "netns", "exec", names["a"], mpiexec, "-launcher", "rsh", "-launcher-exec", str(launcher),
             "-hosts", ",".join(HOSTS), "-ppn", "1", "-n", "2", *command],
            env=env | over, check=True, timeout=300,
        )  # fmt: skip
    (alone,), ranks = [dict(np.load(out / "1_0.npz"))], [dict(np.load(out / f"2_{rank}.npz")) for rank in (0, 1)]
    carried = [int(rank.pop("carried")) for rank in ranks]
    weights = sum(rank.nbytes for rank in ranks[0].values())
    del alone["carried"]
    for name, array in alone.items():
        assert ranks[0][name].tobytes() == ranks[1][name].tobytes(), name
        np.testing.assert_allclose(ranks[0][name], array, rtol=1e-6, atol=1e-6)
    assert min(carried) > 5 * weights, f"{carried} bytes came over the cable, weights are {weights}"
    print(f"two hosts: byte-equal, one process's within 1e-6; {carried[0]:,} and {carried[1]:,} bytes over the cable")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)  # a rank: where its weights go
    out = parser.parse_args().out
    if out is not None:
        train(out)
        return 0
    try:
        with tempfile.TemporaryDirectory() as folder:
            check(Path(folder))
    except NotPermitted as cause:
        print(f"two hosts: not permitted here: {cause}")
        return NOT_PERMITTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
