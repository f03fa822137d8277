"""minicnn against Keras (on TensorFlow, JAX, PyTorch) and PyTorch itself, on the five networks of minicnn.recipes.

    python benchmarks/compare.py --python PEERS/bin/python --write-readme
    python benchmarks/compare.py --networks A --peers minicnn keras-tensorflow --quick
    python benchmarks/compare.py --reuse --write-readme        no run: the table from results/compare.json

Per network every contestant is a process of its own; they take turns (a b c, a b c, ...), and so do training with and
without augmentation, so that a slow minute hits all. Measured: training steps without and with augmentation,
prediction, augmentation alone, the peak memory of a training process, import, and the time from the start of a process
to the end of its first step, with Numba's and PyTorch's caches as they are found. One sample is the mean of --steps
steps inside an epoch, after 3 that are not timed; of more for who is fast, so that it takes everyone 1.5 s if possible.

All start from equal weights. That they do equal work is shown by an untimed phase: equal batches, no dropout, Adam with
a rate of 1e-5; the losses before each of six updates must agree with minicnn's within --tolerance, else the contestant
is marked as invalid and the exit code is 1. (At 1e-3 rounding alone moves the sixth loss by percents between Keras's
own backends: units of variance near 0, and Adam's division by tiny gradients.)

A contestant that fails is reported with its last line, and the others go on. Results are written after every network.
"""

import argparse
import contextlib
import datetime
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import machine
import numpy as np
import report
from peers import DEFAULT, OURS, PEERS, Peer, PeerError, executables, import_seconds

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
OUT = Path(__file__).parent / "results" / "compare.json"
NETWORKS = {"A": "kaggle_bn", "B": "kaggle_rmsprop", "C": "zero_padding_bn", "D": "lenet_16_36", "E": "valid_conv"}
PREDICTED = 5_000  # images per sample of prediction
PREDICT_BATCHES = (1000, 200)  # 1,000 is what the target asks; smaller batches suit some peers better
STEPS = {"A": 12, "B": 12, "C": 40, "D": 30, "E": 100}  # per sample, at least
SAMPLE = 1.5  # seconds of a sample: the first steps after a pause are slow, and else a fast contestant had more of them
MOST = 4  # times STEPS, for which there are rows
AGREEMENT_STEPS, AGREEMENT_RATE = 6, 1e-5
EXTRA = 15  # batches of an epoch beyond the timed ones: warm-up, and what Keras's queues make ahead
PAUSE = 0.25  # s between contestants: thread pools spin for a while after their last work
SLOW = 1.15  # a contestant's way to augment that takes so much longer than its best one is sampled once only
FAR, FEW = 1.5, 3  # who takes FAR times as long as the fastest peer is sampled FEW times: more rounds for the others


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    add("--peers", nargs="+", choices=PEERS, default=list(DEFAULT))
    add("--rounds", type=int, default=12, help=f"samples per contestant (12; {FEW} of who is far behind)")
    add("--steps", type=int, help=f"least steps per sample ({', '.join(f'{name} {n}' for name, n in STEPS.items())})")
    add("--quick", action="store_true", help="a rehearsal: 2 rounds of 5 steps, one start")
    add("--tolerance", type=float, default=0.001, help="relative, of the agreement's losses (.001)")
    add("--python", action="append", default=[], metavar="[NAME=]PATH",
        help="the Python that has a contestant's library; without NAME, that of all foreign ones "
        "(default: $MINICNN_PEERS_PYTHON, else this one)")  # fmt: skip
    add("--out", type=Path, default=OUT, help="JSON (%(default)s)")
    add("--reuse", action="store_true", help="measure nothing, read --out")
    add("--write-readme", nargs="?", type=Path, const=ROOT / "docs" / "benchmarks.md", metavar="FILE",
        help=f"write the tables of docs/benchmarks.md between {report.BEGIN} and {report.END}")  # fmt: skip
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.steps = 2, 5
    if min(options.rounds, options.steps or 1) < 1:
        parser.error("--rounds, --steps: expected at least 1")
    if not options.python and os.environ.get("MINICNN_PEERS_PYTHON"):
        options.python = [os.environ["MINICNN_PEERS_PYTHON"]]
    return options


def problem(folder: Path, recipe, steps: int) -> dict:
    """Write the data and the initial weights; return the settings that every worker gets."""
    import minicnn

    images, labels = minicnn.data.digits.load_data()
    order = np.random.default_rng(0).permutation(len(images))
    rows = np.resize(order, (max(MOST * steps, AGREEMENT_STEPS) + EXTRA) * recipe.batch_size)
    weights = recipe.build(minicnn, seed=1, kernels="numpy_ref").get_weights()
    path = folder / f"{recipe.name}.npz"
    named = {f"w{i}": w for i, w in enumerate(weights)}
    np.savez(path, images=images[rows], y=np.eye(10, dtype=np.float32)[labels[rows]], **named)
    return {"data": str(path), "weights": len(weights), "recipe": recipe.name, "predicted": PREDICTED,
            "agreement_steps": AGREEMENT_STEPS}  # fmt: skip


class Contest:
    """The contestants of one network: their processes, their samples, and who has failed."""

    def __init__(self, names, python, settings):
        self.python, self.settings = python, settings
        self.peers, self.samples, self.about, self.failed, self.losses, self.pace = {}, {}, {}, {}, {}, {}
        for name in names:
            with self.guard(name):
                self.start(name)

    @contextlib.contextmanager
    def guard(self, name: str):
        """Whoever fails leaves the contest and is reported."""
        try:
            yield
        except PeerError as error:
            self.failed[name] = error.reason
            self.peers.pop(name, None)
            print(f"  {name} FAILED: {error.reason}", flush=True)

    def add(self, name: str, measure: str, value: float) -> None:
        self.samples.setdefault(name, {}).setdefault(measure, []).append(value)

    def start(self, name: str) -> None:
        peer = Peer(name, self.python[name], self.settings)
        first_fit, _ = peer.ask("train", steps=1)
        whole = time.perf_counter() - peer.began
        self.add(name, "start", whole)
        self.add(name, "first_fit", first_fit)
        if name in self.peers:  # a further start, for its time only
            peer.close()
            return
        self.peers[name], self.about[name] = peer, peer.about
        versions = ", ".join(f"{library} {version}" for library, version in peer.about["versions"].items())
        print(f"  {name}: {versions}; {peer.about['threads']}; first step after {whole:.1f} s", flush=True)

    def rounds(self, what: str, count: int, jobs) -> None:
        """`count` samples of every job, in turn, after one that does not count.  jobs(peer) -> {measure: arguments}"""
        began = time.perf_counter()
        for number in range(-1, count):
            for name, peer in list(self.peers.items()):
                for measure, how in jobs(peer).items():
                    if self.enough(name, measure):
                        continue
                    with self.guard(name):
                        if name not in self.peers:
                            continue
                        time.sleep(PAUSE)
                        if what == "train":
                            how = how | {"steps": self.steps(name, measure, how["steps"])}
                        answer = peer.ask(what, **how)
                        seconds, loss = answer if what == "train" else (answer, None)
                        self.pace[name, measure] = seconds
                        if number >= 0 and seconds is not None:
                            self.add(name, measure, seconds)
                            if loss is not None:
                                self.losses.setdefault(name, {})[measure] = loss
        print(f"  {what}: {count} rounds in {time.perf_counter() - began:.0f} s", flush=True)

    def steps(self, name: str, measure: str, least: int) -> int:
        """Of a sample that takes SAMPLE seconds at the pace of the one before it: `least` to MOST times as many."""
        pace = self.pace.get((name, measure))
        return least if pace is None else min(max(least, round(SAMPLE / pace)), MOST * least)

    def enough(self, name: str, measure: str) -> bool:
        """Whether it is too slow to decide a ratio: beside its own best way to augment, or beside the fastest peer.

        Our samples and those of the documented script always count.
        """
        mine = self.samples[name].get(measure)
        if name in OURS or not mine or (name, measure) == (report.DOCUMENTED, "train:generator"):
            return False
        way = len("train:") if measure.startswith("train:") else None  # all ways to augment are one contest
        best = {
            peer: min(min(values) for key, values in measures.items() if key[:way] == measure[:way])
            for peer, measures in self.samples.items()
            if peer not in OURS and any(key[:way] == measure[:way] for key in measures)
        }
        behind = min(mine) / best[name], min(mine) / min(best.values())
        return behind[0] > SLOW or (len(mine) >= FEW and behind[1] > FAR)

    def close(self) -> None:
        for peer in self.peers.values():
            peer.close()


def agreement(contest: Contest, tolerance: float) -> dict:
    """Losses of the agreement phase, and the worst relative difference from the first contestant's."""
    found = {}
    for name, peer in list(contest.peers.items()):
        with contest.guard(name):
            found[name] = peer.ask("agree", learning_rate=AGREEMENT_RATE)
    reference = np.array(next(iter(found.values()), []))
    worst = {name: float(np.abs(np.array(losses) / reference - 1).max()) for name, losses in found.items()}
    for name, losses in found.items():
        verdict = "" if worst[name] <= tolerance else "   DOES NOT AGREE"  # also for NaN
        print(f"  {name:<18}{worst[name]:9.1e}   {' '.join(f'{loss:.5f}' for loss in losses)}{verdict}", flush=True)
    return {"losses": found, "worst_relative": worst, "tolerance": tolerance, "reference": next(iter(found), None)}


def measure(name: str, options, folder: Path) -> dict:
    """One network: everything that is measured, as it goes into the JSON."""
    import minicnn

    recipe = minicnn.recipes.BY_NAME[NETWORKS[name]]
    python, began, steps = executables(options.python), time.perf_counter(), options.steps or STEPS[name]
    print(f"\nnetwork {name}, {recipe.name}, batch {recipe.batch_size}", flush=True)
    contest = Contest(options.peers, python, problem(folder, recipe, steps))
    few = max(options.rounds // 3, 1)
    sizes = PREDICT_BATCHES if name == "A" else PREDICT_BATCHES[:1]
    try:
        plain = {"train": {"steps": steps}}
        contest.rounds("train", 1, lambda peer: plain)
        for peer in contest.peers.values():  # before anything but plain training has taken memory
            contest.add(peer.name, "peak_memory", peer.peak_memory)
        contest.rounds("train", max(options.rounds - 1, 1), lambda peer: plain | {
            f"train:{way}": {"steps": steps, "way": way} for way in peer.about["ways"]})  # fmt: skip
        if recipe.augmentation:
            contest.rounds("augment", few, lambda peer: {
                f"augment:{way}": {"batches": steps + EXTRA, "way": way} for way in peer.about["ways"]})  # fmt: skip
        contest.rounds("predict", few, lambda peer: {f"predict:{n}": {"batch_size": n} for n in sizes})
        agreed = agreement(contest, options.tolerance)
        if name == "A":
            for number in range(1 if options.quick else 3):  # the first starts were those above
                for one in list(contest.peers):
                    with contest.guard(one):
                        contest.add(one, "import", import_seconds(one, python[one]))
                        if number and one != "torch-compile":
                            contest.start(one)
    finally:
        contest.close()
    peers = {
        one: contest.about[one]
        | {"ours": one in OURS, "environment": PEERS[one][2], "losses": contest.losses.get(one, {})}
        | {"valid": one not in contest.failed and agreed["worst_relative"].get(one, np.inf) <= options.tolerance}
        | {"measures": {key: report.spread(values) for key, values in contest.samples[one].items()}}
        for one in contest.about
    }
    seconds = time.perf_counter() - began
    return {"recipe": recipe.name, "batch_size": recipe.batch_size, "steps": steps, "predicted": PREDICTED,
            "seconds": seconds, "peers": peers, "failed": contest.failed, "agreement": agreed}  # fmt: skip


def show(name: str, network: dict) -> None:
    print(f"\nnetwork {name}: ms (median, min, quartiles, max), {network['seconds']:.0f} s in all")
    for peer, found in network["peers"].items():
        for key, m in found["measures"].items():
            scale, unit = (1e-6, "MB") if key == "peak_memory" else (1000, "ms")
            cells = "".join(f"{m[part] * scale:10.1f}" for part in ("median", "min", "q1", "q3", "max"))
            loss = f"   last loss {found['losses'][key]:.4f}" if key in found["losses"] else ""
            print(f"  {peer:<18}{key:<18}{cells} {unit}{loss}")


def run(options) -> dict:
    load, about = machine.load(), machine.describe()
    before, quiet = machine.warn_if_busy()
    print(f"{about['cpu']}, {about['cores']} cores; load averages {load}; settings {machine.settings() or 'none'}; "
          "OPENBLAS_CORETYPE is unset for all but minicnn-haswell")  # fmt: skip
    asked = {key: str(value) for key, value in vars(options).items() if key not in ("out", "python", "write_readme")}
    result = {
        "benchmark": "compare", "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": machine.commit(), "options": asked, "machine": about, "settings": machine.settings(),
        "load_before": load, "busy_before": before, "idle": quiet, "networks": {}, "lines": [],
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        for name in options.networks:
            result["networks"][name] = measure(name, options, Path(folder))
            show(name, result["networks"][name])
            after = machine.others_before()  # our own processes have ended
            result["networks"][name]["busy_after"] = after
            if after is not None and after >= 0.05:
                result["idle"] = False
                print(f"\n*** WARNING: others use {after:.0%} of the CPU: only a rehearsal ***")
            result["lines"] = [line._asdict() for line in report.lines(result["networks"])]
            machine.write_json(options.out, result)
    return result


def main() -> int:
    options = arguments()
    result = json.loads(options.out.read_text("utf-8")) if options.reuse else run(options)
    print("\n" + report.targets([report.Line(**line) for line in result["lines"]]))
    print(f"\nresults: {options.out}" + ("" if result["idle"] else "   *** THE MACHINE WAS NOT IDLE ***"))
    if options.write_readme:
        report.write_between_markers(options.write_readme, report.markdown(result))
        print(f"written: {options.write_readme}")
    valid = all(peer["valid"] for network in result["networks"].values() for peer in network["peers"].values())
    return 0 if valid and not any(network["failed"] for network in result["networks"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
