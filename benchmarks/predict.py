"""Prediction of network A against inference engines: ONNX Runtime, OpenVINO, ncnn, on equal weights and threads.

    python benchmarks/predict.py                          who is installed, batches of 1 to 1,000
    python benchmarks/predict.py --old /tmp/old-checkout  another checkout of minicnn takes turns with this one

Every contestant is a process of its own that holds the same network in float32; of one channel, images are the same
bytes in either layout. They take turns, batch size by batch size, so that a slow minute hits all; a sample is the mean
over as many calls as take --sample seconds. Outputs must agree with minicnn's to 1e-5, else the contestant is invalid.
Thread pools spin for a while after their last work, so there is a pause between two samples.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine
import numpy as np

ROOT = Path(__file__).parents[1]
OUT = Path(__file__).parent / "results" / "predict.json"
BATCHES = (1, 2, 4, 8, 32, 100, 1000)
PEERS = ("minicnn", "onnxruntime", "openvino", "ncnn")
TOLERANCE = 1e-5


# the network, written down for the engines ----------------------------------------------------------------------------


def described(folder: Path) -> None:
    """Network A after a few steps: its layers' arrays by name, and outputs that everybody has to reach."""
    sys.path.insert(0, str(ROOT))
    import minicnn

    recipe = minicnn.recipes.kaggle_bn
    model = recipe.build(minicnn, seed=1)
    model.compile(recipe.make_optimizer(minicnn), "categorical_crossentropy")
    images, labels = minicnn.data.digits.load_data()
    x, y = images[..., None] / np.float32(255), np.eye(10, dtype=np.float32)[labels]
    model.fit(x[:860], y[:860], batch_size=86, epochs=1, verbose=0)  # moving averages that are no 0 and 1
    x = np.ascontiguousarray(np.resize(x, (max(BATCHES), 28, 28, 1)))
    weights = {f"w{k}": w for k, w in enumerate(model.get_weights())}
    np.savez(folder / "network.npz", x=x, y=model.predict(x, verbose=0), **weights)


def steps(arrays):
    """(kind, arrays) of network A's layers at inference, filters as (O, C, KH, KW) and dense rows in NCHW's order."""
    weights = iter(arrays[f"w{k}"] for k in range(sum(name.startswith("w") for name in arrays)))

    def take(n):
        return [np.ascontiguousarray(next(weights)) for _ in range(n)]

    for _ in range(2):
        for _ in range(2):
            kernel, bias = take(2)
            yield "conv", (np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)), bias)
            yield "relu", ()
            yield "norm", take(4)
        yield "pool", ()
    yield "flatten", ()
    kernel, bias = take(2)
    kernel = kernel.reshape(7, 7, 64, -1).transpose(2, 0, 1, 3).reshape(kernel.shape)
    yield "dense", (np.ascontiguousarray(kernel), bias)
    yield "relu", ()
    yield "norm", take(4)
    yield "dense", take(2)
    yield "softmax", ()


def to_onnx(arrays) -> bytes:
    from onnx import TensorProto, checker, helper, numpy_helper

    nodes, constants, last = [], [], "x"
    for k, (kind, given) in enumerate(steps(arrays)):
        names = [f"c{k}_{i}" for i in range(len(given))]
        constants += [numpy_helper.from_array(a, name) for a, name in zip(given, names, strict=True)]
        pad = given[0].shape[2] // 2 if kind == "conv" else 0
        op, how = {
            "conv": ("Conv", {"pads": [pad] * 4}), "relu": ("Relu", {}), "flatten": ("Flatten", {}),
            "norm": ("BatchNormalization", {"epsilon": 1e-3}), "dense": ("Gemm", {}), "softmax": ("Softmax", {}),
            "pool": ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}),
        }[kind]  # fmt: skip
        nodes.append(helper.make_node(op, [last, *names], [f"y{k}"], **how))
        last = f"y{k}"
    shape = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in
             (("x", ["N", 1, 28, 28]), (last, ["N", 10]))]  # fmt: skip
    graph = helper.make_graph(nodes, "network_a", shape[:1], shape[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    return model.SerializeToString()


def to_ncnn(arrays, folder: Path) -> tuple[str, str]:
    """The .param and .bin files of ncnn: one line per layer, and its arrays one after the other."""
    lines, raw, last = ["Input in0 0 1 in0 0=28 1=28 2=1"], [], "in0"
    plain = np.zeros(1, np.uint32).view(np.float32)  # a tag before weights: they follow as float32
    for k, (kind, given) in enumerate(steps(arrays)):
        given = [np.asarray(a, np.float32) for a in given]
        if kind == "conv":
            o, _, size, _ = given[0].shape
            what = f"Convolution c{k} 1 1 {last} y{k} 0={o} 1={size} 4={size // 2} 5=1 6={given[0].size}"
            raw += [plain, given[0], given[1]]
        elif kind == "dense":
            what = f"InnerProduct d{k} 1 1 {last} y{k} 0={given[0].shape[1]} 1=1 2={given[0].size}"
            raw += [plain, given[0].T, given[1]]
        elif kind == "norm":
            gamma, beta, mean, var = given
            what = f"BatchNorm n{k} 1 1 {last} y{k} 0={len(gamma)} 1=0.001"
            raw += [gamma, mean, var, beta]
        else:
            what = {"relu": f"ReLU r{k} 1 1 {last} y{k}", "softmax": f"Softmax s{k} 1 1 {last} y{k} 0=0 1=1",
                    "pool": f"Pooling p{k} 1 1 {last} y{k} 0=0 1=2 2=2",
                    "flatten": f"Reshape f{k} 1 1 {last} y{k} 0=-1"}[kind]  # fmt: skip
        lines.append(what)
        last = f"y{k}"
    lines[-1] = lines[-1].replace(f" {last} ", " out0 ")
    param, binary = folder / "a.param", folder / "a.bin"
    param.write_text("\n".join(["7767517", f"{len(lines)} {len(lines)}", *lines]) + "\n")
    binary.write_bytes(b"".join(np.ascontiguousarray(a).tobytes() for a in raw))
    return str(param), str(binary)


# a contestant's process ----------------------------------------------------------------------------------------------


def contestant(name: str, folder: Path, threads: int):
    """(function of x (N, 28, 28, 1) -> (N, 10), version)."""
    arrays = dict(np.load(folder / "network.npz"))
    if name.startswith("minicnn"):
        import minicnn

        model = minicnn.recipes.kaggle_bn.build(minicnn, seed=1, threads=threads)
        model.set_weights([arrays[f"w{k}"] for k in range(len(model.get_weights()))])
        return lambda x: model.predict(x, batch_size=len(x), verbose=0), minicnn.__version__
    if name == "onnxruntime":
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        session = ort.InferenceSession(to_onnx(arrays), options, providers=["CPUExecutionProvider"])
        return lambda x: session.run(None, {"x": x.reshape(-1, 1, 28, 28)})[0], ort.__version__
    if name == "openvino":
        import openvino as ov

        path = folder / "a.onnx"
        path.write_bytes(to_onnx(arrays))
        core, compiled = ov.Core(), {}
        how = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}

        def run(x):
            if len(x) not in compiled:  # a static shape, which OpenVINO likes best
                model = core.read_model(path)
                model.reshape([len(x), 1, 28, 28])
                compiled[len(x)] = core.compile_model(model, "CPU", how).create_infer_request()
            request = compiled[len(x)]
            request.infer({0: x.reshape(-1, 1, 28, 28)}, share_inputs=True)
            return request.get_output_tensor().data.copy()

        return run, ov.__version__
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads, net.opt.use_fp16_storage, net.opt.use_fp16_arithmetic = threads, False, False
    net.opt.use_fp16_packed = net.opt.use_bf16_storage = False
    param, binary = to_ncnn(arrays, folder)
    if net.load_param(param) or net.load_model(binary):
        sys.exit("ncnn: the network cannot be read")

    def one_by_one(x):  # ncnn knows no batch
        out = np.empty((len(x), 10), np.float32)
        for k, image in enumerate(x):
            extractor = net.create_extractor()
            extractor.input("in0", ncnn.Mat(image.reshape(1, 28, 28)))
            out[k] = np.array(extractor.extract("out0")[1])
        return out

    return one_by_one, getattr(ncnn, "__version__", "?")


def serve(name: str, folder: Path, threads: int) -> None:
    """Answer lines {"batch", "seconds"} with {"ms"}: the mean over calls that take so long together."""
    run, version = contestant(name, folder, threads)
    given = np.load(folder / "network.npz")
    x, y = given["x"], given["y"]
    errors = {n: float(np.abs(run(x[:n]) - y[:n]).max()) for n in BATCHES}
    print(json.dumps({"version": version, "errors": errors}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        part, calls = np.ascontiguousarray(x[: asked["batch"]]), 0
        for _ in range(3):
            run(part)
        begin = time.perf_counter()
        while not calls or time.perf_counter() - begin < asked["seconds"]:
            run(part)
            calls += 1
        print(json.dumps({"ms": 1000 * (time.perf_counter() - begin) / calls}), flush=True)


# the contest ---------------------------------------------------------------------------------------------------------


class Process:
    def __init__(self, name, python, folder, threads, root):
        command = [python, __file__, "--serve", name, "--folder", str(folder), "--threads", str(threads)]
        env = machine.ENVIRONMENT | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": str(threads)}
        self.process = subprocess.Popen(command, env=env, text=True, stdin=-1, stdout=-1, stderr=-1)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(self.process.stderr.read().strip().splitlines()[-1])
        self.about = json.loads(line)

    def ask(self, **what) -> float:
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["ms"]


def contest(peers, batches, rounds: int, sample: float, threads: int, python: str, old: Path | None) -> dict:
    """name -> {"version", "error", "ms": {batch: samples}}, or {"failed": why}."""
    found, running = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        described(Path(folder))
        for name in [*peers, *(["minicnn old"] if old else [])]:
            root = old if name == "minicnn old" else ROOT
            try:
                here = sys.executable if name.startswith("minicnn") else python
                running[name] = Process(name, here, Path(folder), threads, root)
                error = max(running[name].about["errors"].values())
                found[name] = {"version": running[name].about["version"], "error": error,
                               "ms": {str(n): [] for n in batches}}  # fmt: skip
                if error > TOLERANCE:
                    found[name]["failed"] = f"outputs differ by {error:.1e}"
            except RuntimeError as error:
                found[name] = {"failed": str(error)}
        for batch in batches:
            for _ in range(rounds):
                for name, process in running.items():
                    found[name]["ms"][str(batch)].append(process.ask(batch=batch, seconds=sample))
                    time.sleep(0.05)
        for process in running.values():
            with contextlib.suppress(OSError):
                process.process.stdin.close()
            process.process.wait(10)
    return found


def table(found: dict, batches) -> str:
    """Medians in ms, and minicnn's over each other's."""
    rows = [("ms (ours / theirs)", *map(str, batches))]
    ours = found["minicnn"]["ms"]
    for name, about in found.items():
        if "failed" in about:
            rows.append((f"{name}: {about['failed']}",))
            continue
        medians = [statistics.median(about["ms"][str(n)]) for n in batches]
        ratios = [statistics.median(ours[str(n)]) / m for n, m in zip(batches, medians, strict=True)]
        cells = [f"{m:.3g} ({r:.2f})" for m, r in zip(medians, ratios, strict=True)]
        rows.append((f"{name} {about['version'][:12]}", *cells))
    return "\n".join("  ".join(f"{cell:<22}" for cell in row) for row in rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    add("--batches", nargs="+", type=int, choices=BATCHES, default=list(BATCHES))
    add("--rounds", type=int, default=7)
    add("--sample", type=float, default=0.3, help="seconds of a sample (.3)")
    add("--threads", type=int, default=2)
    add("--python", default=sys.executable, help="the Python that has the engines")
    add("--old", type=Path, help="another checkout of minicnn, which takes turns with this one")
    add("--out", type=Path, default=OUT)
    add("--serve", help=argparse.SUPPRESS)
    add("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options.serve, options.folder, options.threads)
    busy, quiet = machine.warn_if_busy()
    found = contest(options.peers, options.batches, options.rounds, options.sample, options.threads, options.python,
                    options.old)  # fmt: skip
    print(table(found, options.batches))
    machine.write_json(options.out, {"machine": machine.describe(), "commit": machine.commit(), "busy": busy,
                                     "quiet": quiet, "threads": options.threads, "prediction": found})  # fmt: skip


if __name__ == "__main__":
    main()
