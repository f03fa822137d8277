"""Coverage-guided fuzzing of everything that reads a file: whatever the bytes, the answer is a value or a MinicnnError.

    pip install atheris                                        # for this program alone; minicnn does not use it
    python benchmarks/fuzz.py --reader csv --cpu-minutes 20 --out runs/fuzz      # one of READERS, or all in turn
    python benchmarks/fuzz.py --replay tests/io/corpus         # every kept input once, without atheris

A worker process holds atheris; this one starts it again until the CPU time is used up (a hang, a crash of a C library
or too much memory end a worker, and are finds). A find is another exception than MinicnnError, or an input that takes
more than SECONDS or MEMORY: it is written to OUT/READER/finds, once for each place in the code.

Bytes alone would mostly meet the first check of a format, so half of the mutations know the format: JSON is changed
value by value and packed again with lengths, offsets and digests that fit; csv cell by cell; IDX and gzip unpacked.
"""

import argparse
import contextlib
import functools
import gzip
import hashlib
import io
import json
import os
import random
import resource
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

SECONDS, MEMORY = 5.0, 128 << 20  # CPU seconds of one input; bytes by which the process may grow in one
LONGEST = 1 << 15  # bytes of an input
LIFE = 7200  # s until a worker that does not end is killed
SMALL = 1 << 18  # weights that a description may ask for in here: the real limit is reached, only later
VALUES = [
    None, True, False, 0, 1, -1, 2, 3, 7, 100, 10**7, 2**31, 2**53, 2**63, 2**64, 10**400, 0.5, -0.5, 1e308, 5e-324, "",
    "same", "valid", "relu", "softmax", "Dense", "Conv2D", "float64", "a" * 300, "../x", "\0", "\ud800", [], {}, [1],
    [2, 2], [0, 0], [None], [[1, 2], [3, 4]], {"class_name": "Dense", "config": {}}, {"function": "f"}, 1e-9, 999,
]  # fmt: skip
CELLS = [b"", b"0", b"1", b"255", b"256", b"-1", b"1.5", b"nan", b"inf", b"1e2", b'"1"', b'"', b'"1\n2"', b" 1",
         b"0x1", b"NA", b"\xff", b"1e999", b"9" * 400, b"\xef\xbb\xbf1", b"1_0", "\u0663".encode(), b"TRUE", b"\r",
         b","]  # fmt: skip


# readers: bytes -> nothing, or an exception ---------------------------------------------------------------------------


class Reader(NamedTuple):
    """read(path) for a file that is named NAME+suffix and holds an input; mutate(bytes, random) knows the format."""

    suffix: str
    read: Callable[[Path], None]
    mutate: Callable[[bytes, random.Random], bytes]


def network():
    """A small model whose files the readers of weights expect."""
    import minicnn
    from minicnn import layers as L

    model = minicnn.Sequential(
        [
            L.Input((4, 4, 1)), L.Conv2D(2, 2, activation="relu", name="conv"), L.BatchNormalization(name="norm"),
            L.Flatten(name="flat"), L.Dense(3, activation="softmax", name="out"),
        ],
        name="net", seed=1, kernels="numpy_ref",
    )  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def small_network():
    """A model of few and small weights: HDF5 takes a kilobyte for each, and a fuzzer's inputs should be short."""
    import minicnn
    from minicnn import layers as L

    layers = [L.Input((3,)), L.Dense(2, activation="softmax", name="out"), L.BatchNormalization(name="norm")]
    model = minicnn.Sequential(layers, name="net", seed=1, kernels="numpy_ref")
    model.compile(minicnn.optimizers.SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def each(*readers: Callable[[], Any]) -> None:
    """Call all; what one refuses the next may accept."""
    from minicnn.errors import MinicnnError

    for read in readers:
        with contextlib.suppress(MinicnnError):
            read()


def read_csv(path: Path) -> None:
    from minicnn.data import kaggle_digits
    from minicnn.io import history, submission

    each(
        lambda: kaggle_digits.read_csv(path, labelled=True), lambda: kaggle_digits.read_csv(path, labelled=False),
        lambda: history.read(path), lambda: submission.check(path, 2),
    )  # fmt: skip


def read_idx(path: Path) -> None:
    from minicnn.data import mnist

    each(lambda: mnist.read_idx(path))


def read_minicnn(path: Path) -> None:
    import minicnn
    from minicnn.io import weights

    each(
        lambda: minicnn.load_model(path, kernels="numpy_ref").get_config(),
        lambda: minicnn.load_model(path, compile=False, kernels="numpy_ref"), lambda: weights.read(path),
    )  # fmt: skip
    link = path.with_suffix(".safetensors")
    if not link.exists():
        os.symlink(path, link)
    each(lambda: network().load_weights(link))


def read_keras(path: Path) -> None:
    import minicnn

    each(
        lambda: minicnn.load_model(path, kernels="numpy_ref").get_config(),
        lambda: minicnn.load_model(path, compile=False, kernels="numpy_ref"),
    )  # fmt: skip


def read_h5(path: Path) -> None:
    each(lambda: small_network().load_weights(path))


def read_json(path: Path) -> None:
    import minicnn

    data = path.read_bytes()
    each(lambda: minicnn.model_from_json(data.decode("utf-8", "replace")))
    with contextlib.suppress(ValueError):
        config = json.loads(data)
        config = config.get("config", config) if isinstance(config, dict) else config
        each(lambda: minicnn.Sequential.from_config(config))


# mutations that know the format ---------------------------------------------------------------------------------------


def change_value(value: Any, rng: random.Random) -> Any:
    """A copy of a JSON value with one of its parts changed."""
    places = list(_places(value))
    if not places:
        return rng.choice(VALUES)
    copy = json.loads(json.dumps(value))
    owner = copy
    *way, last = rng.choice(places)
    for key in way:
        owner = owner[key]
    act = rng.random()
    if act < 0.5:
        owner[last] = rng.choice(VALUES)
    elif act < 0.65:
        del owner[last]
    elif act < 0.8:
        other = copy
        for key in rng.choice(places):
            other = other[key]
        owner[last] = json.loads(json.dumps(other))
    elif isinstance(owner, list):
        owner.insert(rng.randrange(len(owner) + 1), rng.choice([owner[last], *VALUES]))
    elif isinstance(owner[last], int) and not isinstance(owner[last], bool):
        owner[last] += rng.choice([-1, 1, 2**16, -(2**16)])
    else:
        owner[rng.choice(["x", "name", "trainable", "config", "class_name", "shape"])] = rng.choice(VALUES)
    return copy


def _places(value: Any, way: tuple = ()):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*way, key)
        yield from _places(inner, (*way, key))


def mutate_json(data: bytes, rng: random.Random) -> bytes:
    value = json.loads(data)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        value = change_value(value, rng)
    return json.dumps(value).encode("utf-8", "surrogatepass")


def mutate_minicnn(data: bytes, rng: random.Random) -> bytes:
    """The header changed, or our note in it, with a digest that fits where one can be computed."""
    length = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    if rng.random() < 0.3:
        header = change_value(header, rng)
    else:
        note = json.loads(header["__metadata__"]["minicnn"])
        part = rng.choice([key for key in ("model", "model", "model", "format", "sha256") if key in note] or [None])
        note = change_value(note, rng) if part is None else note | {part: change_value(note[part], rng)}
        with contextlib.suppress(Exception):
            from safetensors.numpy import load

            from minicnn.io import container, model_file

            canonical = model_file._canonical(note["model"]) if "model" in note else ""
            note["sha256"] = container.digest(load(data), canonical)
        header["__metadata__"]["minicnn"] = json.dumps(note)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def mutate_keras(data: bytes, rng: random.Random) -> bytes:
    """A member changed and all packed again, now and then twice, compressed or under another name."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [[info.filename, archive.read(info)] for info in archive.infolist()]
    member = rng.choice(members)
    if member[0].endswith(".json") and rng.random() < 0.9:
        member[1] = mutate_json(member[1], rng)
    else:
        member[1] = scramble(member[1], rng)
    if rng.random() < 0.1:
        members.append(list(rng.choice(members)))
    if rng.random() < 0.05:
        rng.choice(members)[0] = rng.choice(["config.json", "model.weights.h5", "../x", "", "x" * 300])
    packed = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if rng.random() < 0.05 else zipfile.ZIP_STORED
    import warnings

    with warnings.catch_warnings(), zipfile.ZipFile(packed, "w", method) as archive:
        warnings.simplefilter("ignore")
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content)
    out = packed.getvalue()
    return scramble(out, rng, out.rfind(b"PK\x01\x02")) if rng.random() < 0.2 else out


def scramble(data: bytes, rng: random.Random, start: int = 0) -> bytes:
    """A few numbers of 1, 2, 4 or 8 bytes overwritten."""
    out = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 3])):
        width = rng.choice([1, 1, 2, 4, 8])
        at = rng.randrange(max(start, 0), max(len(out) - width, 0) + max(start, 0) + 1)
        number = rng.choice([0, 1, 255, 2 ** (8 * width) - 1, 2 ** (8 * width - 1), rng.getrandbits(8 * width)])
        out[at : at + width] = (number % 2 ** (8 * width)).to_bytes(width, rng.choice(["little", "big"]))
    return bytes(out)


@functools.cache
def sound_h5() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.weights.h5")
        small_network().save_weights(path)
        return path.read_bytes()


def mutate_h5(data: bytes, rng: random.Random) -> bytes:
    """Numbers overwritten; or what h5py writes: other types, shapes, links and filters under the names looked for."""
    if rng.random() < 0.5:
        return scramble(data, rng)
    import h5py
    import numpy as np

    buffer = io.BytesIO(sound_h5())  # writing into a damaged file crashes the library
    with h5py.File(buffer, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        name = rng.choice(names or ["layers"])
        act = rng.randrange(8)
        old = file[name]
        shape = old.shape if isinstance(old, h5py.Dataset) else (2,)
        del file[name]
        if act == 0:
            file[name] = h5py.ExternalLink("/etc/passwd", rng.choice(["/", "x"]))
        elif act == 1:
            file[name] = h5py.SoftLink(rng.choice(["/", "/layers", f"/{name}"]))
        elif act == 2:
            dtype = rng.choice(["f8", "i4", "f2", ">f4", "S5", h5py.string_dtype(), "c8", "?", h5py.vlen_dtype("f4"),
                                np.dtype([("a", "f4")]), h5py.enum_dtype({"x": 1}), h5py.ref_dtype])  # fmt: skip
            file.create_dataset(name, shape, dtype)
        elif act == 3:
            shape = rng.choice([(), (0,), (2**40,), (2**31, 2**31), None, (1,) * 32, (3, 3, 3)])
            with contextlib.suppress(Exception):
                if shape is None:
                    file[name] = h5py.Empty("f4")
                else:
                    file.create_dataset(name, shape, "f4", chunks=True if shape and 0 not in shape else None)
        elif act == 4:
            file.create_dataset(name, shape or (1,), "f4", compression="gzip", chunks=True, fillvalue=rng.random())
        elif act == 5:
            file.create_group(name).create_group("x/y/z")
        elif act == 6:
            file.create_dataset(name, (64,), "f4", external=[("/dev/zero", 0, 256)])
    return scramble(buffer.getvalue(), rng) if rng.random() < 0.3 else buffer.getvalue()


def mutate_csv(data: bytes, rng: random.Random) -> bytes:
    packed = data[:2] == b"\x1f\x8b"
    lines = (gzip.decompress(data) if packed else data).split(b"\n")
    for _ in range(rng.choice([1, 1, 2, 5])):
        at = rng.randrange(len(lines))
        cells = lines[at].split(b",")
        act = rng.random()
        if act < 0.6:
            cells[rng.randrange(len(cells))] = rng.choice(CELLS)
        elif act < 0.7:
            del cells[rng.randrange(len(cells))]
        elif act < 0.8:
            cells.insert(rng.randrange(len(cells) + 1), rng.choice(CELLS))
        elif act < 0.9:
            a, b = rng.randrange(len(cells)), rng.randrange(len(cells))
            cells[a], cells[b] = cells[b], cells[a]
        else:
            lines.insert(at, lines[rng.randrange(len(lines))])
        lines[at] = b",".join(cells)
    text = rng.choice([b"\n", b"\n", b"\n", b"\r\n", b"\r"]).join(lines)
    return gzip.compress(text, mtime=0) if packed != (rng.random() < 0.1) else text


def mutate_idx(data: bytes, rng: random.Random) -> bytes:
    packed = data[:2] == b"\x1f\x8b"
    out = bytearray(gzip.decompress(data) if packed else data)
    at = rng.choice([0, 2, 3, 4, 8, 12])
    if at < 4:
        out[at : at + 1] = bytes([rng.choice([0, 1, 2, 3, 4, 5, 8, 9, 255])])
    else:
        out[at : at + 4] = struct.pack(">I", rng.choice([0, 1, 2, 2**31, 2**32 - 1, 2**16, 28, rng.getrandbits(6)]))
    return gzip.compress(bytes(out), mtime=0) if packed != (rng.random() < 0.1) else bytes(out)


READERS = {
    "csv": Reader(".csv", read_csv, mutate_csv),
    "idx": Reader("-idx3-ubyte", read_idx, mutate_idx),
    "minicnn": Reader(".minicnn", read_minicnn, mutate_minicnn),
    "keras": Reader(".keras", read_keras, mutate_keras),
    "h5": Reader(".weights.h5", read_h5, mutate_h5),
    "json": Reader(".json", read_json, mutate_json),
}


# running --------------------------------------------------------------------------------------------------------------


def prepare() -> None:
    """No cache of earlier answers, and the limit on weights within what a fuzzer has time for."""
    import minicnn
    from minicnn.data import cache

    assert minicnn.load_model
    cache.folder = lambda: None
    sys.modules["minicnn.saving.build"].WEIGHT_LIMIT = SMALL


def peak() -> int:
    """Bytes that this process has had resident at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


class Judge:
    """Runs inputs, counts them and keeps the finds."""

    def __init__(self, reader: Reader, out: Path):
        self.reader, self.out, self.count, self.known = reader, out, 0, set()
        self.worst_seconds, self.worst_bytes = 0.0, 0
        self.path = Path(tempfile.mkdtemp(prefix="minicnn-fuzz-"), "input" + reader.suffix)
        (out / "finds").mkdir(parents=True, exist_ok=True)

    def __call__(self, data: bytes) -> None:
        self.path.write_bytes(data)
        started, before, problem = time.process_time(), peak(), ""
        try:
            self.reader.read(self.path)
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            ours = [f"{Path(f.filename).name}:{f.lineno}" for f in frames if "minicnn" in f.filename]
            problem = f"{type(error).__name__} at {' '.join(ours[-2:])}"
            detail = "".join(traceback.format_exception(error))
        seconds, grown = time.process_time() - started, peak() - before
        self.count += 1
        if self.count > 20:  # the first ones import and compile
            self.worst_seconds, self.worst_bytes = max(self.worst_seconds, seconds), max(self.worst_bytes, grown)
            if not problem and (seconds > SECONDS or grown > MEMORY):
                problem = f"{'slow' if seconds > SECONDS else 'memory'} {round(seconds)} s {grown >> 26 << 6} MiB"
                detail = f"{seconds:.1f} s, {grown >> 20} MiB"
        if problem and problem not in self.known:
            self.known.add(problem)
            name = self.out / "finds" / hashlib.sha256(problem.encode()).hexdigest()[:12]
            if not name.exists():
                name.write_bytes(data)
                name.with_suffix(".txt").write_text(f"{problem}\n{detail}")
                print(f"FIND {problem}: {name}", flush=True)


def work(name: str, out: Path, seconds: float) -> None:
    """A worker: atheris until so many CPU seconds are used, then a line with what was done."""
    import atheris

    with atheris.instrument_imports(
        include=["minicnn.io", "minicnn.data", "minicnn.training", "minicnn.layers", "minicnn.initializers", "zipfile",
                 "gzip", "minicnn.losses", "minicnn.metrics", "minicnn.optimizers"],
    ):  # fmt: skip
        import gzip  # noqa: F401
        import zipfile  # noqa: F401

        import minicnn.io.keras_files  # noqa: F401
    prepare()
    reader = READERS[name]
    judge, rng = Judge(reader, out), random.Random(os.getpid())

    def report() -> None:
        with open(out / "done.jsonl", "a") as file:
            done = {"executions": judge.count, "cpu_s": time.process_time(), "peak": peak(),
                    "slowest_s": judge.worst_seconds, "most_grown": judge.worst_bytes}  # fmt: skip
            file.write(json.dumps(done) + "\n")

    def one(data: bytes) -> None:
        judge(data)
        if time.process_time() > seconds:
            report()
            os._exit(0)

    def mutated(data: bytes, longest: int, seed: int) -> bytes:
        rng.seed(seed)
        if rng.random() < 0.5:
            with contextlib.suppress(Exception):
                return reader.mutate(data, rng)[:longest]
        return atheris.Mutate(data, longest)

    corpus = out / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 60,) * 2)  # libFuzzer's own time-outs are wall clock
    options = [f"-max_len={LONGEST}", "-timeout=0", "-report_slow_units=9999", "-rss_limit_mb=4096", "-verbosity=0",
               "-print_final_stats=0", f"-artifact_prefix={out / 'finds'}/", "-len_control=0"]  # fmt: skip
    atheris.Setup([sys.argv[0], *options, str(corpus)], one, custom_mutator=mutated)
    atheris.Fuzz()


def fuzz(name: str, out: Path, minutes: float, seeds: Path) -> dict:
    """Workers one after the other until so many CPU minutes are used; what came of it."""
    (out / "corpus").mkdir(parents=True, exist_ok=True)
    for seed in sorted((seeds / name).glob("*")):
        (out / "corpus" / seed.name).write_bytes(seed.read_bytes())
    used, ended = 0.0, []
    while used < 60 * minutes:
        slice_s = min(60 * minutes - used, 300) + 1  # short lives: what one input leaves behind does not add up
        command = [sys.executable, __file__, "--worker", name, "--out", str(out), "--cpu-seconds", str(slice_s)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with open(out / "log.txt", "ab") as log:
            try:
                code = subprocess.run(command, check=False, stderr=log, timeout=LIFE).returncode
            except subprocess.TimeoutExpired:  # killed: it waited for something that never came
                code = "hung"
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used += after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        if code:
            ended.append(code)
        if len(ended) > 50:
            break
        (out / "used.json").write_text(json.dumps({"cpu_minutes": round(used / 60, 2), "workers_that_died": ended}))
    lives = [json.loads(line) for line in (out / "done.jsonl").read_text().splitlines()]
    return {
        "reader": name, "cpu_minutes": round(used / 60, 1), "executions": sum(life["executions"] for life in lives),
        "peak_mib": max(life["peak"] for life in lives) >> 20, "slowest_s": max(life["slowest_s"] for life in lives),
        "most_grown_mib": max(life["most_grown"] for life in lives) >> 20, "died": ended,
        "finds": sorted(path.name for path in (out / "finds").iterdir() if path.suffix != ".txt"),
    }  # fmt: skip


def replay(folder: Path) -> int:
    """Every input under folder/READER once; how many there were.  Raises what a reader raises besides MinicnnError."""
    count = 0
    with tempfile.TemporaryDirectory() as place:
        for name, reader in READERS.items():
            for source in sorted((folder / name).glob("*")):
                path = Path(place, "input" + reader.suffix)
                path.write_bytes(source.read_bytes())
                reader.read(path)
                count += 1
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reader", choices=READERS, nargs="*", default=list(READERS), help="default: all, in turn")
    parser.add_argument("--cpu-minutes", type=float, default=20.0, help="of each reader; default %(default)s")
    parser.add_argument("--out", type=Path, default=Path("runs", "fuzz"), help="default %(default)s")
    parser.add_argument("--seeds", type=Path, default=Path(__file__).parents[1] / "tests" / "io" / "corpus")
    parser.add_argument("--replay", type=Path, help="run every input of this folder once")
    parser.add_argument("--worker", choices=READERS, help=argparse.SUPPRESS)
    parser.add_argument("--cpu-seconds", type=float, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        work(args.worker, args.out, args.cpu_seconds)
    elif args.replay:
        print(f"{replay(args.replay)} inputs")
    else:
        for name in args.reader:
            print(json.dumps(fuzz(name, args.out / name, args.cpu_minutes, args.seeds)), flush=True)


if __name__ == "__main__":
    main()
