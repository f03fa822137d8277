"""Network A on a GPU: step and epoch times at several batch sizes and precisions, beside other libraries; per kernel.

    python benchmarks/gpu.py --python PEERS/bin/python --out benchmarks/results/gpu.json
    python benchmarks/gpu.py --data DIR           also the whole run on Kaggle's files: time to 99 %, to the end
    python benchmarks/gpu.py --emulated           a rehearsal without a GPU: that it runs, no figures

No device has run this program yet.

A sample is one epoch of --steps steps of `fit` on images that lie on the device, without augmentation: device events
around it, divided by the steps; reported is the median of --samples with least and greatest. The peers do the same
work on as many images: workers/gpu_torch.py (eager, compiled, a CUDA graph; channels_last; AMP for bf16),
workers/gpu_jax.py (an epoch as one jitted scan), workers/gpu_keras.py (fit, on JAX and on PyTorch), each in a process
of its own, after ours has ended its turn. TF32 is compared with TF32, float32 with float32. Of a peer that is not
installed or finds no GPU, a line says so.

Per kernel: every launch of one step, captured 50 times in a graph of its own, so that no host's work lies between its
events. Bytes count every array of a launch once; the roofline is the greater of bytes / --bandwidth (measured, if not
given) and, for products, operations / --peak. The arrays of a launch are then in the cache, as in a step most are.

By default one batch, three precisions and the three fastest peers: nine processes, ten minutes. What was found is
written after every line.
"""

import argparse
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import machine
import numpy as np

import minicnn
from minicnn import layers, recipes

ROOT = Path(__file__).parents[1]
OURS = ("float32", "3xtf32", "tf32", "bf16")
PEERS = {  # name: (script, way)
    "torch": ("gpu_torch.py", "eager"), "torch-compile": ("gpu_torch.py", "compile"),
    "torch-compile-graphs": ("gpu_torch.py", "compile-graphs"), "torch-graph": ("gpu_torch.py", "graph"),
    "jax": ("gpu_jax.py", "jit"), "keras-jax": ("gpu_keras.py", "jax"), "keras-torch": ("gpu_keras.py", "torch"),
}  # fmt: skip
FASTEST = ["torch-compile-graphs", "torch-graph", "jax"]
LIMIT = 240  # s for one peer
REPEATS = 50  # of a launch that is timed by itself


def spread(seconds: list[float]) -> dict:
    return {"median": statistics.median(seconds), "least": min(seconds), "greatest": max(seconds), "n": len(seconds)}


class RealDevice:
    """An NVIDIA GPU, timed by its own events."""

    emulated = False

    def __init__(self):
        import cupy

        self.cupy = cupy
        self.name = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)["name"].decode()
        self.versions = {"cupy": cupy.__version__, "driver": cupy.cuda.runtime.driverGetVersion(),
                         "runtime": cupy.cuda.runtime.runtimeGetVersion()}  # fmt: skip

    def model(self, precision, graph):
        return recipes.kaggle_bn.build(minicnn, device="cuda", precision=precision, graph=graph, seed=0)

    def mark(self):
        event = self.cupy.cuda.Event()
        event.record()
        return event

    def seconds(self, begin, end):
        end.synchronize()
        return self.cupy.cuda.get_elapsed_time(begin, end) / 1000

    def alone(self, start, launch) -> float:
        """Seconds of one launch: the least of five graphs of REPEATS each, divided."""
        stream, best = self.cupy.cuda.Stream(non_blocking=True), float("inf")
        with stream:
            stream.begin_capture()
            for _ in range(REPEATS):
                start(*launch)
            graph = stream.end_capture()
            for _ in range(6):  # the first one warms up
                begin = self.mark()
                graph.launch(stream)
                best = min(best, self.seconds(begin, self.mark()))
        return best / REPEATS

    def bandwidth(self) -> float:
        """Bytes per second that a copy of 256 MB reads and writes."""
        a = self.cupy.zeros(2**26, np.float32)
        b, best = self.cupy.empty_like(a), float("inf")
        for _ in range(10):
            begin = self.mark()
            b[...] = a
            best = min(best, self.seconds(begin, self.mark()))
        return 2 * a.nbytes / best


class Rehearsal:
    """The tests' emulation and a few filters: what it takes says nothing about any GPU."""

    emulated, name, versions = True, "none: emulated on the CPU", {}

    def __init__(self):
        sys.path.insert(0, str(ROOT))
        from tests.cuda.emulation import EmulatedGPU

        self.device = EmulatedGPU

    def model(self, precision, graph):
        narrow = [layers.Conv2D(4, 3, activation="relu", input_shape=(28, 28, 1)), layers.BatchNormalization(),
                  layers.MaxPooling2D(4), layers.Dropout(0.25), layers.Flatten(),
                  layers.Dense(10, activation="softmax")]  # fmt: skip
        return minicnn.Sequential(narrow, device=self.device(precision), graph=graph, seed=0)

    mark = staticmethod(time.perf_counter)

    def seconds(self, begin, end):
        return end - begin

    def alone(self, start, launch):
        begin = self.mark()
        start(*launch)
        return self.seconds(begin, self.mark())

    def bandwidth(self):
        return 1e9


class Clock(minicnn.callbacks.Callback):
    """Seconds of every epoch, by the device's events and by the clock on the wall."""

    def __init__(self, device):
        super().__init__()
        self.device, self.by_events, self.by_wall = device, [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.began, self.mark = time.perf_counter(), self.device.mark()

    def on_epoch_end(self, epoch, logs=None):
        self.by_events.append(self.device.seconds(self.mark, self.device.mark()))
        self.by_wall.append(time.perf_counter() - self.began)


def digits(n: int):
    """n images (28, 28, 1) in 0..1 and one-hot labels: the embedded ones over and over."""
    (x, y), _, _ = minicnn.data.digits.split(seed=2)
    rows = np.resize(np.arange(len(x)), n)
    return (x[rows] / 255).astype(np.float32), minicnn.to_categorical(y[rows], 10)


def compiled(device, precision, graph):
    model = device.model(precision, graph)
    model.compile(recipes.kaggle_bn.make_optimizer(minicnn), "categorical_crossentropy", metrics=["accuracy"])
    return model


def ours(device, batch, precision, graph, steps, samples) -> dict:
    """Seconds per step; the first two epochs compile and record, and are not counted."""
    model, clock = compiled(device, precision, graph), Clock(device)
    x, y = digits(batch * steps)
    history = model.fit(x, y, batch_size=batch, epochs=samples + 2, verbose=0, callbacks=[clock]).history
    if not np.isfinite(history["loss"]).all():
        raise SystemExit(f"{precision}, batch {batch}: the loss is not finite; no figure")
    per_step = [spread([s / steps for s in found[2:]]) for found in (clock.by_events, clock.by_wall)]
    epoch = per_step[1]["median"] * -(-37800 // batch)
    return {"step": per_step[0], "step by the wall": per_step[1], "epoch of 37800": epoch,
            "last loss": history["loss"][-1]}  # fmt: skip


def kernels(device, batch, precision, bandwidth, peak) -> list[dict]:
    """Every kernel of an eager step: launches, seconds, bytes and operations, and its share of the roofline."""
    model = compiled(device, precision, False)
    x, y = digits(batch)
    model.fit(x, y, batch_size=batch, epochs=2, verbose=0)
    launcher, start, seen = model.backend.launcher, model.backend.launcher.start, []

    def keep(*launch):
        start(*launch)
        seen.append(launch)  # its arrays stay alive with it

    launcher.start = keep
    model.fit(x, y, batch_size=batch, epochs=1, verbose=0)
    launcher.start = start
    found = defaultdict(lambda: [0, 0.0, 0])
    for launch in seen:
        kernel, args = launch[2], launch[5]
        if kernel in ("begin_step", "end_step"):  # they count steps, and would run out of their tables
            continue
        entry = found[re.sub(r"_(32|64)$", "", kernel)]
        entry[0] += 1
        entry[1] += device.alone(start, launch)
        entry[2] += sum(a.nbytes for a in args if getattr(a, "shape", ()))
    operations = defaultdict(int)
    for row in model.plan(batch):
        stem = "conv2d" if row.layer.startswith("conv2d") else "dense"
        operations[stem if row.kernel == "forward" else f"{stem}_{row.kernel}"] += row.flops
    table = []
    for kernel, (launches, seconds, size) in sorted(found.items(), key=lambda item: -item[1][1]):
        flops = operations.get(kernel, 0)
        floor = max(size / bandwidth, flops / peak if peak else 0)
        table.append({"kernel": kernel, "launches": launches, "seconds": seconds, "bytes": size,
                      "operations": flops, "of the roofline": floor / seconds if seconds else None})  # fmt: skip
    return table


def peer(name, python, batch, precision, steps, samples) -> dict:
    script, way = PEERS[name]
    command = [python, str(ROOT / "benchmarks" / "workers" / script), "--way", way, "--batch", batch, "--precision",
               precision, "--steps", steps, "--samples", samples]  # fmt: skip
    paths = os.pathsep.join(filter(None, (str(ROOT), machine.ENVIRONMENT.get("PYTHONPATH"))))
    env = machine.ENVIRONMENT | {"PYTHONPATH": paths}
    try:
        run = subprocess.run([*map(str, command)], env=env, capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return {"failed": f"took more than {LIMIT} s"}
    if run.returncode:
        return {"failed": (run.stderr.strip().splitlines() or [f"exit code {run.returncode}"])[-1][:300]}
    answer = json.loads(run.stdout.splitlines()[-1])
    return {"versions": answer["versions"], "device": answer["device"], "step": spread(answer["seconds"])}


def whole_run(device, folder, precision, epochs) -> dict:
    """The documented run on Kaggle's files, augmented: seconds to 99 % of the held-out images, and to the end."""
    began, recipe = time.perf_counter(), recipes.kaggle_bn
    x, y, _ = minicnn.data.kaggle_digits.load_data(folder)
    x, y = x.reshape(-1, 28, 28, 1), minicnn.to_categorical(y, 10)
    cut = len(x) * 9 // 10
    model, clock = compiled(device, precision, True), Clock(device)
    generator = minicnn.data.ImageDataGenerator(**recipe.augmentation, rescale=1 / 255)
    flow, held_out = generator.flow(x[:cut], y[:cut], recipe.batch_size), (x[cut:] / 255, y[cut:])
    hooks = [minicnn.callbacks.ReduceLROnPlateau(**recipe.plateau), clock]
    seen = model.fit(flow, epochs=epochs, validation_data=held_out, verbose=0, callbacks=hooks)
    accuracy, ends = seen.history["val_accuracy"], np.cumsum(clock.by_wall)
    reached = next((float(end) for end, a in zip(ends, accuracy, strict=True) if a >= 0.99), None)
    return {"epochs": clock.by_wall, "val_accuracy": accuracy, "seconds to 0.99": reached,
            "training": float(ends[-1]), "all": time.perf_counter() - began}  # fmt: skip


def find_device(emulated: bool):
    if emulated:
        print("*** EMULATED: no GPU runs this. It is a rehearsal of the program, and its times mean nothing. ***")
        return Rehearsal()
    try:
        minicnn.Sequential(device="cuda")
    except minicnn.errors.DeviceError as cause:
        raise SystemExit(f"gpu.py: there is no device here, so nothing was measured: {cause}") from None
    return RealDevice()


def main(argv=None) -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--batches", type=int, nargs="+", default=[86])
    p.add_argument("--precisions", nargs="+", choices=OURS, default=["tf32", "float32", "bf16"])
    p.add_argument("--peers", nargs="*", choices=PEERS, default=FASTEST)
    p.add_argument("--python", default=sys.executable, help="the peers' environment: torch, jax, keras, for CUDA")
    p.add_argument("--steps", type=int, default=100)
    p.add_argument("--samples", type=int, default=9)
    p.add_argument("--bandwidth", type=float, help="bytes per second; default: measured")
    p.add_argument("--peak", type=float, help="operations per second of the products' units, from the datasheet")
    p.add_argument("--data", type=Path, help="Kaggle's files, for the whole run")
    p.add_argument("--epochs", type=int, default=30, help="of the whole run")
    p.add_argument("--out", type=Path)
    p.add_argument("--emulated", action="store_true")
    args = p.parse_args(argv)
    device = find_device(args.emulated)
    if args.emulated:
        args.batches, args.precisions, args.steps, args.samples, args.peers = [4], args.precisions[:1], 2, 1, []
    bandwidth = args.bandwidth or device.bandwidth()
    versions = device.versions | {"minicnn": minicnn.__version__}
    found = {"device": device.name, "emulated": device.emulated, "versions": versions, "commit": machine.commit(),
             "machine": machine.describe(), "steps": args.steps, "bandwidth": bandwidth, "peak": args.peak,
             "ours": [], "peers": [], "kernels": {}, "whole run": {}}  # fmt: skip

    def save():
        if args.out:
            machine.write_json(args.out, found)

    with contextlib.suppress(KeyboardInterrupt):
        measure(device, args, found, save)


def measure(device, args, found, save) -> None:
    print(f"{device.name}; copies at {found['bandwidth'] / 1e9:,.0f} GB/s\n")
    for batch in args.batches:
        for precision in args.precisions:
            for graph in (True, False):
                how = {"batch": batch, "precision": precision, "graph": graph}
                found["ours"].append(how | ours(device, batch, precision, graph, args.steps, args.samples))
                save()
                say(f"minicnn {'graph' if graph else 'eager'}", how, found["ours"][-1])
            for name in args.peers:
                if precision == "3xtf32":  # nobody else has it
                    continue
                how = {"peer": name, "batch": batch, "precision": precision}
                found["peers"].append(how | peer(name, args.python, batch, precision, args.steps, args.samples))
                save()
                say(name, how, found["peers"][-1])
    for precision in args.precisions:
        batch = args.batches[0]
        table = found["kernels"][precision] = kernels(device, batch, precision, found["bandwidth"], args.peak)
        save()
        print(f"\nbatch {batch}, {precision}, eager, every kernel\n")
        for row in table:
            share = "" if row["of the roofline"] is None else f"{row['of the roofline']:7.0%} of the roofline"
            times = f"{row['launches']:5.0f} x {row['seconds'] * 1e6:9.1f} us"
            print(f"{row['kernel']:28}{times} {row['bytes'] / 1e6:9.2f} MB {share}")
        if args.data:
            result = found["whole run"][precision] = whole_run(device, args.data, precision, args.epochs)
            save()
            last = f"{result['val_accuracy'][-1]:.4f} at the end"
            print(f"\n{args.epochs} epochs, {precision}: {result['training']:.1f} s, .99 after")
            print(f"{result['seconds to 0.99']} s, validation accuracy {last}")


def say(name, how, answer) -> None:
    result = answer.get("failed") or "{median:.1f} us per step ({least:.1f} to {greatest:.1f})".format(
        **{key: value * 1e6 for key, value in answer["step"].items()}
    )
    print(f"batch {how['batch']:5}  {how['precision']:8} {name:22} {result}", flush=True)


if __name__ == "__main__":
    main()
