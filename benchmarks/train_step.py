"""Step time of network A (batch 86, no augmentation) and images per second of predict: minicnn, Keras, PyTorch.

    python benchmarks/train_step.py --peers numba_cpu,keras-tensorflow,torch --python PATH

Every contestant runs in a process of its own; they are asked in turn (A B C, A B C, ...) for an epoch of --steps
batches. One sample is the mean step of one epoch; the table shows the median, minimum, quartiles and maximum of
--repeats samples, taken after a warm-up; then half as many of predict, on 10,000 images in batches of 1,000. All
start from the same weights and see the same embedded digits.

The timed epochs use the recipe's dropout (.25, .25, .5) and Adam's rate of 1e-3. Random streams differ between
libraries, so that all do equal work is shown in a separate, untimed phase: equal weights, equal batches, dropout 0,
Adam with a rate of 1e-5; the losses before each of --agreement-steps updates must agree with the first contestant's
within --tolerance (relative), else the exit code is 1. The rate is small because at 1e-3 rounding alone, through units
with a batch variance near 0 and Adam's division by tiny gradients, moves the sixth loss by several percent between
Keras's own backends; at 1e-5 they stay within 1e-4 of each other.
"""

import argparse
import datetime
import sys
import tempfile
import time
from pathlib import Path

import machine
import numpy as np
from peers import PEERS, MissingError, Peer, PeerError, executables

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
PREDICTED = 10_000  # images per predict sample: at 2,000, what Keras spends per call costs TensorFlow a third
AGREEMENT = {"optimizer": "Adam", "learning_rate": 1e-5}
PAUSE = 0.3  # s between contestants: thread pools spin for a while after their last work


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default="", help=f"comma-separated: {', '.join(PEERS)}; default: all installed")
    parser.add_argument("--repeats", type=int, default=10, help="samples per contestant (10)")
    parser.add_argument("--steps", type=int, default=20, help="steps per sample (20)")
    parser.add_argument("--batch-size", type=int, default=86)
    parser.add_argument("--agreement-steps", type=int, default=6)
    parser.add_argument("--tolerance", type=float, default=0.001, help="relative, of the agreement's losses (.001)")
    which = "the Python that has a contestant's library; without NAME, that of all foreign ones"
    parser.add_argument("--python", action="append", default=[], metavar="[NAME=]PATH", help=which)
    parser.add_argument("--out", type=Path, help="write everything as JSON, e.g. benchmarks/results/train_step.json")
    options = parser.parse_args()
    unknown = [name for name in options.peers.split(",") if name and name not in PEERS]
    if unknown:
        parser.error(f"--peers: expected names of {', '.join(PEERS)}, received {', '.join(unknown)}")
    if min(options.repeats, options.steps, options.batch_size, options.agreement_steps) < 1:
        parser.error("--repeats, --steps, --batch-size and --agreement-steps: expected at least 1")
    return options


def problem(folder: Path, options) -> dict:
    """Write the data and the initial weights; return the settings that every worker gets."""
    from workers.network import build

    import minicnn

    x, y = minicnn.data.digits.load_data()
    order = np.random.default_rng(0).permutation(len(x))
    rows = np.resize(order, max(options.steps, options.agreement_steps) * options.batch_size)
    images = (x / 255.0).astype(np.float32)
    weights = build(minicnn, seed=1, kernels="numpy_ref").get_weights()
    path = folder / "problem.npz"
    labels, named = np.eye(10, dtype=np.float32)[y[rows]], {f"w{i}": w for i, w in enumerate(weights)}
    np.savez(path, x=images[rows], y=labels, x_predict=images[np.resize(order, PREDICTED)], **named)
    return {"data": str(path), "weights": len(weights), "batch_size": options.batch_size, "steps": options.steps,
            "agreement_steps": options.agreement_steps}  # fmt: skip


def start(options, settings) -> list[Peer]:
    """The contestants that are there.  One that was asked for by name and is not installed is an error."""
    asked, python, found = [n for n in options.peers.split(",") if n], executables(options.python), []
    for name in asked or PEERS:
        try:
            peer = Peer(name, python[name], settings)
            began = time.perf_counter()
            peer.ask("train", steps=min(3, options.steps))
            peer.ask("predict")
            peer.first_seconds = time.perf_counter() - began
        except MissingError as cause:
            if asked:
                reason = str(cause).strip().splitlines()[-1]
                raise SystemExit(f"{name} is not installed for {python[name]}: {reason}; see --python") from None
            print(f"left out, not installed: {name}")
        except PeerError as cause:
            if asked:
                raise SystemExit(str(cause)) from None
            print(f"left out, it does not run here: {name}: {str(cause).strip().splitlines()[-1]}")
        else:
            versions = ", ".join(f"{library} {version}" for library, version in peer.about["versions"].items())
            print(f"{name}: {versions}; {peer.about['threads']}; warm-up {peer.first_seconds:.1f} s", flush=True)
            found.append(peer)
    return found


def spread(samples: list[float]) -> dict:
    low, median, high = np.quantile(samples, [0.25, 0.5, 0.75]).tolist()
    return {"median": median, "min": min(samples), "q1": low, "q3": high, "max": max(samples), "samples": samples}


def measure(peers: list[Peer], options) -> dict:
    """Interleaved samples: step times first, then peak memory, then predictions."""
    steps, speeds, losses = ({p.name: [] for p in peers} for _ in range(3))
    for repeat in range(options.repeats):
        for peer in peers:
            time.sleep(PAUSE)
            seconds, loss = peer.ask("train", steps=options.steps)
            steps[peer.name].append(1000 * seconds)
            losses[peer.name].append(loss)
        if sys.stderr.isatty():
            print(f"\rround {repeat + 1} of {options.repeats}", end="", file=sys.stderr, flush=True)
    memory = {p.name: p.peak_memory for p in peers}
    for _ in range((options.repeats + 1) // 2):
        for peer in peers:
            time.sleep(PAUSE)
            speeds[peer.name].append(PREDICTED / peer.ask("predict"))
    return {
        p.name: p.about
        | {"import_and_build_s": p.start_seconds, "warm_up_s": p.first_seconds, "step_ms": spread(steps[p.name])}
        | {"predict_images_per_s": spread(speeds[p.name]), "peak_memory_after_training": memory[p.name]}
        | {"losses_of_timed_epochs": losses[p.name]}
        for p in peers
    }


def agreement(peers: list[Peer], results: dict, tolerance: float) -> dict:
    """Ask for the losses of the agreement phase; the worst relative difference from the first contestant's."""
    for peer in peers:
        results[peer.name]["agreement_losses"] = peer.ask("agree", **AGREEMENT)
    reference = np.array(results[peers[0].name]["agreement_losses"])
    worst = {p.name: float(np.abs(np.array(results[p.name]["agreement_losses"]) / reference - 1).max()) for p in peers}
    ok = all(value <= tolerance for value in worst.values())  # False for NaN
    return {"reference": peers[0].name, "tolerance": tolerance, **AGREEMENT, "worst_relative": worst, "ok": ok}


def show(results: dict, agreed: dict) -> None:
    fastest = min(r["step_ms"]["median"] for r in results.values())
    print(f"\n{'ms per step':<18}{'median':>8}{'min':>8}{'q1':>8}{'q3':>8}{'max':>8}{'ratio':>8}"
          f"{'predict img/s':>16}{'peak MB':>9}{'last loss':>11}")  # fmt: skip
    for name, r in results.items():
        s = r["step_ms"]
        cells = "".join(f"{s[key]:8.1f}" for key in ("median", "min", "q1", "q3", "max"))
        print(f"{name:<18}{cells}{s['median'] / fastest:8.2f}{r['predict_images_per_s']['median']:16,.0f}"
              f"{r['peak_memory_after_training'] / 1e6:9.0f}{r['losses_of_timed_epochs'][-1]:11.4f}")  # fmt: skip
    print("\nagreement: losses without dropout, equal weights and batches; worst relative difference from "
          f"{agreed['reference']}, at most {agreed['tolerance']:g}")  # fmt: skip
    for name, r in results.items():
        values = " ".join(f"{loss:.5f}" for loss in r["agreement_losses"])
        print(f"{name:<18}{agreed['worst_relative'][name]:9.1e}   {values}")
    print("they agree" if agreed["ok"] else "THE LOSSES DO NOT AGREE: the times above do not compare equal work")


def main() -> int:
    options = arguments()
    before, load = machine.others_before(), machine.load()
    about = machine.describe()
    print(f"{about['cpu']}, {about['cores']} cores; load averages {load}; settings {machine.settings() or 'none'}")
    with tempfile.TemporaryDirectory() as folder:
        peers = start(options, problem(Path(folder), options))
        if not peers:
            raise SystemExit("no contestant is installed")
        try:
            began, busy, own = time.perf_counter(), machine.busy_seconds(), sum(p.cpu_seconds for p in peers)
            results = measure(peers, options)
            wall = time.perf_counter() - began
            own = sum(p.cpu_seconds for p in peers) - own
            others = None if busy is None else max(0.0, machine.busy_seconds() - busy - own) / (wall * about["cores"])
            agreed = agreement(peers, results, options.tolerance)
        finally:
            for peer in peers:
                peer.close()
    show(results, agreed)
    quiet = all(part is None or part < 0.05 for part in (before, others))
    meanwhile = "" if others is None else f"; others used {others:.0%} of the CPU meanwhile"
    print(f"load averages now {machine.load()}{meanwhile}")
    if not quiet:
        print("WARNING: the machine was not idle: these times are no measurement, only a rehearsal")
    if options.out:
        asked = {k: v for k, v in vars(options).items() if k not in ("out", "python")}
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        machine.write_json(options.out, {
            "benchmark": "train_step", "network": "A", "date": now,
            "commit": machine.commit(), "options": asked, "machine": about, "settings": machine.settings(),
            "load_before": load, "busy_before": before, "others_meanwhile": others, "idle": quiet,
            "results": results, "agreement": agreed})  # fmt: skip
        print(f"written: {options.out}")
    return 0 if agreed["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
