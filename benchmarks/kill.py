"""Kill the main job again and again: the same command ends with the bytes of a run that was never disturbed.

    python benchmarks/kill.py --kills 50                   all parts, for 1 and 2 threads
    python benchmarks/kill.py --kills 3 --parts random --threads 1

random    SIGKILL at random moments after training has begun, the same command again, until it ends; so many kills
calls     SIGKILL at the n-th system call that changes files, a write half done, for every n of one checkpoint
first     SIGKILL in the first epoch, before and after its first checkpoint
signals   SIGTERM, then Ctrl-C, then to the end
kernels   another kernel set goes on with the run: it has to be said
emulated  random, with the training step of the GPU path, whose kernels run on the CPU (needs g++)

The job: network A with augmentation, dropout and plateau on the first rows of Kaggle's train.csv, with --patience and
--best; checkpoints many times a second. Compared byte by byte: weights, best model, history.csv, submission.csv.
Exit code 1 if any byte differs. One line per kill; results go to --out as JSON.
"""

import argparse
import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
SHIM = Path(__file__).with_name("workers") / "kill_at_call.c"
PARTS = ("random", "calls", "first", "signals", "kernels", "emulated")
COMPARED = ("weights.safetensors", "best.minicnn", "history.csv", "submission.csv")
BEGUN = "training  "  # the line that the job prints when it begins to train
LIMIT = 900  # s for one process
STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM)  # exit codes of a run that was asked to stop


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--kills", type=int, default=50, metavar="N", help="of the parts random and emulated (%(default)s)")
    add("--threads", type=int, nargs="+", default=[1, 2])
    add("--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    add("--rows", type=int, default=600, help="of train.csv (%(default)s)")
    add("--epochs", type=int, default=6)
    add("--save-every", type=float, default=0.1, metavar="S", help="seconds between checkpoints (%(default)s)")
    add("--seed", type=int, default=0, help="of the moments")
    add("--data", type=Path, help="folder with train.csv and test.csv, plain or .gz; default $MINICNN_DATA/kaggle")
    add("--folder", type=Path, help="for the runs; default: one that is removed")
    add("--out", type=Path, metavar="FILE", help="JSON of what happened")
    return parser.parse_args()


def cut(source: Path, target: Path, rows: int) -> None:
    """The first rows of Kaggle's two files as a folder of its own: a restart reads them in a moment."""
    target.mkdir(parents=True)
    for name, lines in (("train.csv", rows), ("test.csv", rows // 2)):
        plain, packed = source / name, source / f"{name}.gz"
        with plain.open("rb") if plain.exists() else gzip.open(packed, "rb") as file:
            (target / name).write_bytes(b"".join(file.readline() for _ in range(lines + 1)))


class Job:
    """One command line: the main job, or the emulated one; killed and started again in one folder after the other."""

    def __init__(self, command: list[str], compared: tuple[str, ...], folder: Path, threads: int):
        self.command, self.compared, self.folder, self.threads = command, compared, folder, threads
        paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        self.environment = os.environ | {"PYTHONPATH": paths, "MPLBACKEND": "Agg"}
        self.number, self.seconds = 0, 0.0

    def next_folder(self, name: str) -> Path:
        self.number += 1
        return self.folder / f"{name}_{self.threads}_{self.number:03d}"

    def start(self, out: Path, *more: str, **environment: str) -> subprocess.Popen:
        return subprocess.Popen(
            [*self.command, "--threads", str(self.threads), "--out", str(out), *more], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=self.environment | environment,
        )  # fmt: skip

    def begun(self, process: subprocess.Popen) -> None:
        """Wait for the line after which training begins; RuntimeError where the process ends before it."""
        for line in process.stdout:
            if line.startswith(BEGUN):
                return
        raise RuntimeError(process.stderr.read())

    def finish(self, out: Path, *more: str, codes: tuple[int, ...] = (0,), **environment: str) -> tuple[str, str]:
        process = self.start(out, *more, **environment)
        text, errors = process.communicate(timeout=LIMIT)
        if process.returncode not in codes:
            raise RuntimeError(f"exit code {process.returncode}: {errors}")
        return text, errors

    def undisturbed(self) -> None:
        """The run to compare with, twice: the first one may compile, and the second must have its bytes."""
        self.expected = {}
        for _ in range(2):
            out = self.next_folder("whole")
            process = self.start(out)
            self.begun(process)
            began = time.monotonic()
            _, errors = process.communicate(timeout=LIMIT)
            self.seconds = time.monotonic() - began
            if process.returncode:
                raise RuntimeError(errors)
            found = {name: (out / name).read_bytes() for name in self.compared}
            if self.expected and found != self.expected:
                raise RuntimeError("two undisturbed runs differ: nothing can be compared with them")
            self.expected = found

    def different(self, out: Path) -> list[str]:
        return [name for name in self.compared if (out / name).read_bytes() != self.expected[name]]

    def settle(self, out: Path, what: str, resumed: str) -> dict:
        unlike = self.different(out)
        if not unlike:
            shutil.rmtree(out)
        return {"what": what, "threads": self.threads, "went_on": resumed, "different": unlike}


def place(text: str) -> str:
    """Where a run went on, in its own words."""
    lines = [line for line in text.splitlines() if line.startswith(("resumed at", "finished:"))]
    return lines[0] if lines else "from the beginning"


def random_kills(job: Job, kills: int, draw: random.Random, name: str = "random"):
    """Yield one result per kill: each is followed by the same command, which may be killed again."""
    done = 0
    while done < kills:
        out, killed, stops = job.next_folder(name), [], 0
        while True:
            wait = draw.uniform(0, job.seconds) if done + len(killed) < kills else None
            code, text, errors, spent = killed_after(job, out, wait)
            if code == -signal.SIGKILL and wait is not None:
                killed.append(wait)
            elif code in STOPPED:  # by somebody else on this machine: the same command goes on from that too
                stops += 1
            elif code:
                raise RuntimeError(f"exit code {code}: {errors}")
            else:
                break
        if not killed and not stops:
            job.seconds = spent  # a shared machine is not always as fast
        also = f", and {stops} signals from elsewhere" if stops else ""
        moments = ", ".join(f"{moment:.2f}" for moment in killed)
        result = job.settle(out, f"SIGKILL after {moments} s of training{also}", place(text))
        done += len(killed)
        for i, _ in enumerate(killed):
            yield result | {"what": f"{result['what']} ({i + 1} of {len(killed)})"}


def killed_after(job: Job, out: Path, wait: float | None) -> tuple[int, str, str, float]:
    """(exit code, what was printed, errors, s of training) of a process that is killed `wait` s after it began."""
    process = job.start(out)
    lines = iter(process.stdout.readline, "")
    if not any(line.startswith(BEGUN) for line in lines):
        text, errors = process.communicate()
        return process.returncode, text, errors, 0.0
    began = time.monotonic()
    try:
        text, errors = process.communicate(timeout=LIMIT if wait is None else wait)
    except subprocess.TimeoutExpired:
        process.kill()
        text, errors = process.communicate()
        if wait is None:
            raise RuntimeError(f"no end within {LIMIT} s") from None
    return process.returncode, text, errors, time.monotonic() - began


def kills_at_calls(job: Job):
    """Every system call that changes files, from one checkpoint's beginning to the next one's."""
    library = job.folder / "kill_at_call.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, SHIM, "-ldl"], check=True)
    shim = {"LD_PRELOAD": str(library), "KILL_FOLDER": "/checkpoints/"}
    # The checkpoint at the end of the third epoch also gives the best one a second name and removes an old one.
    more = ("--save-every", "1e9")
    out, log = job.next_folder("calls"), job.folder / "calls.txt"
    job.finish(out, *more, **shim, KILL_FROM="3", KILL_LOG=str(log))
    calls = log.read_text().split()
    end = calls.index("open", calls.index("open") + 1) if calls.count("open") > 1 else len(calls)
    for n in range(min(end + 1, len(calls))):
        out = job.next_folder("calls")
        process = job.start(out, *more, **shim, KILL_FROM="3", KILL_AT=str(n))
        process.communicate(timeout=LIMIT)
        if process.returncode != -signal.SIGKILL:
            raise RuntimeError(f"call {n} was not reached: exit code {process.returncode}")
        text, _ = job.finish(out, *more)
        yield job.settle(out, f"SIGKILL at call {n} of one checkpoint: {calls[n]}", place(text))


def kills_in_first_epoch(job: Job):
    for wanted in (0, 1):  # checkpoints that are there
        out = job.next_folder("first")
        process = job.start(out, "--save-every", "0" if wanted else "1e9")
        job.begun(process)
        while len(list(out.rglob("epoch_00000_*.minicnn"))) < wanted and process.poll() is None:
            time.sleep(0.001)
        process.kill()
        process.communicate()
        there = sorted(path.name for path in out.rglob("epoch_*.minicnn"))
        text, _ = job.finish(out)
        found = ", ".join(there) or "none"
        yield job.settle(out, f"SIGKILL in the first epoch, checkpoints there: {found}", place(text))


def signals(job: Job):
    out, said = job.next_folder("signals"), []
    for number in (signal.SIGTERM, signal.SIGINT):
        process = job.start(out)
        job.begun(process)
        time.sleep(job.seconds / 6)
        process.send_signal(number)
        text, errors = process.communicate(timeout=LIMIT)
        if process.returncode not in (128 + number, 0):
            raise RuntimeError(f"exit code {process.returncode}: {errors}")
        said += [line for line in text.splitlines() if line.startswith("stopped")]
    text, _ = job.finish(out)
    yield job.settle(out, f"SIGTERM, then SIGINT ({'; '.join(said)})", place(text))


def another_kernel_set(job: Job):
    """numba_cpu is killed, numpy_ref goes on: other roundings, which is said."""
    out = job.next_folder("kernels")
    process = job.start(out)
    job.begun(process)
    while not list(out.rglob("epoch_00001*")) and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    text, errors = job.finish(out, "--kernels", "numpy_ref")
    stated = "kernels: numba_cpu, now numpy_ref" in errors
    shutil.rmtree(out)
    yield {"what": "another kernel set goes on", "threads": job.threads, "went_on": place(text),
           "different": [] if stated else ["the change was not said"], "said": errors.strip()}  # fmt: skip


def emulated(argv: list[str]) -> int:
    """The emulated job: a small network whose training step is the GPU path's, run on the CPU."""
    import numpy as np

    from minicnn import CheckpointOptions, Sequential, callbacks, data, layers
    from minicnn.io import submission
    from tests.cuda.emulation import EmulatedGPU

    parser = argparse.ArgumentParser()
    for name in ("--out", "--threads"):
        parser.add_argument(name)
    out = Path(parser.parse_args(argv).out)
    model = Sequential([
        layers.Conv2D(4, 3, padding="same", activation="relu", input_shape=(8, 8, 1)), layers.BatchNormalization(),
        layers.MaxPooling2D(), layers.Dropout(0.25), layers.Flatten(), layers.Dense(10, activation="softmax"),
    ], device=EmulatedGPU(), seed=3)  # fmt: skip
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (60, 8, 8, 1), dtype=np.uint8), np.eye(10, dtype=np.float32)[rng.integers(0, 10, 60)]
    flow = data.ImageDataGenerator(rotation_range=10, rescale=1 / 255).flow(x, y, batch_size=8)
    held_out = x[:16].astype(np.float32) / 255, y[:16]
    watching = [callbacks.ReduceLROnPlateau(patience=1), callbacks.CSVLogger(out / "history.csv"),
                callbacks.ModelCheckpoint(out / "best.minicnn", save_best_only=True)]  # fmt: skip
    print(BEGUN, flush=True)
    model.fit(flow, epochs=8, validation_data=held_out, callbacks=watching, verbose=2,
              checkpoint=CheckpointOptions(out / "checkpoints", save_every=0.0))  # fmt: skip
    model.save_weights(out / "weights.safetensors")
    submission.write(out / "submission.csv", model.predict(held_out[0], verbose=0).argmax(axis=1))
    return 0


def main() -> int:
    if sys.argv[1:2] == ["--emulated-job"]:
        return emulated(sys.argv[2:])
    options = arguments()
    data = options.data or Path(os.environ.get("MINICNN_DATA", "data"), "kaggle")
    results, failed = [], False
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        if set(options.parts) != {"emulated"}:
            cut(data, folder / "data", options.rows)
        command = [sys.executable, str(ROOT / "examples" / "train_kaggle.py"), "--data", str(folder / "data"),
                   "--epochs", str(options.epochs), "--patience", "3", "--best",
                   "--save-every", str(options.save_every)]  # fmt: skip
        jobs = [Job(command, COMPARED, folder, threads) for threads in options.threads]
        parts = {"random": lambda job: random_kills(job, options.kills, random.Random(options.seed + job.threads)),
                 "calls": kills_at_calls, "first": kills_in_first_epoch, "signals": signals,
                 "kernels": another_kernel_set}  # fmt: skip
        work = [(job, [parts[name] for name in options.parts if name in parts]) for job in jobs]
        if "emulated" in options.parts:
            job = Job([sys.executable, __file__, "--emulated-job"], COMPARED, folder / "emulated", 0)
            draw = random.Random(options.seed)
            work.append((job, [lambda job: random_kills(job, options.kills, draw, "emulated")]))
        for job, chosen in work:
            if not chosen:
                continue
            job.undisturbed()
            print(f"undisturbed, {job.threads} threads: {job.seconds:.1f} s from the first step to the end", flush=True)
            for part in chosen:
                for result in part(job):
                    results.append(result | {"part": getattr(part, "__name__", "random")})
                    bad = ", ".join(result["different"])
                    failed |= bool(bad)
                    print(f"{'DIFFERENT ' + bad if bad else 'same bytes'}  {result['threads']} threads  "
                          f"{result['what']}; {result['went_on']}", flush=True)  # fmt: skip
            if options.out:
                from minicnn.io import atomic_write
                from minicnn.reports import machine

                with atomic_write(options.out, text=True) as file:
                    json.dump({"machine": machine.describe(), "kills": results}, file, indent=1)
    good = sum(not result["different"] for result in results)
    print(f"{good} of {len(results)} ended with the same bytes")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
