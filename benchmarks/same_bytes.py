"""Has a change of the engine changed a single bit? Train, predict, hash, compare with what was written down before.

    python benchmarks/same_bytes.py --write      before a change
    python benchmarks/same_bytes.py --check      after it; exit code 1 and the names of what differs

Hashed are, for each of the five networks of minicnn.recipes: all weights and the optimizer's state after 20 steps with
the published optimizer and batch size, every tenth batch smaller (so that both programs run), for one thread and for
two; outputs for 1, 7 and 1,000 images and the loss over them. And, with --emulated, a small network trained on the CUDA
kernels as the tests emulate them, recorded and from Python.

Bytes belong to one machine: the vector units decide how sums are ordered. A file from another CPU is refused.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

import machine
import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
OUT = Path(__file__).parent / "results" / "same_bytes.json"
NETWORKS = {"A": "kaggle_bn", "B": "kaggle_rmsprop", "C": "zero_padding_bn", "D": "lenet_16_36", "E": "valid_conv"}
STEPS, WHOLE = 20, 9  # steps in all; of each ten so many whole batches, and one of a third
PREDICTED = (1, 7, 1000)


def digest(arrays) -> str:
    """A short sha256 of the bytes of arrays, one after the other."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()[:16]


def state(model) -> str:
    slots = model.optimizer.get_state()
    return digest([*model.get_weights(), *(values for name in sorted(slots) for values in slots[name])])


def network(name: str, threads: int) -> dict[str, str]:
    """What -> hash, for one network."""
    import minicnn

    recipe = minicnn.recipes.BY_NAME[NETWORKS[name]]
    images, labels = minicnn.data.digits.load_data()
    images, targets = images[..., None] / np.float32(255), np.eye(10, dtype=np.float32)[labels]
    n = WHOLE * recipe.batch_size + recipe.batch_size // 3
    rows = np.resize(np.random.default_rng(0).permutation(len(images)), n)
    model = recipe.build(minicnn, seed=1, threads=threads)
    model.compile(recipe.make_optimizer(minicnn), "categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(images[rows], targets[rows], batch_size=recipe.batch_size, epochs=STEPS // 10, verbose=0)
    found = {"weights": state(model), "losses": digest([np.array(history.history["loss"])])}
    x = np.resize(images, (max(PREDICTED), *images.shape[1:]))
    for count in PREDICTED:
        found[f"predicted {count}"] = digest([model.predict(x[:count], batch_size=count, verbose=0)])
    loss = model.evaluate(x, np.resize(targets, (len(x), 10)), batch_size=77, verbose=0)
    return found | {"evaluated": digest([np.array(loss)])}


def emulated(graph: bool) -> dict[str, str]:
    """The same of a narrow network A on the emulated device."""
    from minicnn import optimizers
    from tests.cuda.emulation import EmulatedGPU
    from tests.cuda.test_captured import Rates, flow, images, network

    x, y = images(np.random.default_rng(5))
    model = network(EmulatedGPU(), graph=graph)
    model.compile(optimizers.Adam(0.01), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(flow(x, y), epochs=2, verbose=0, callbacks=[Rates()])
    return {"weights": state(model), "predicted 7": digest([model.predict(x[:7] / np.float32(255), verbose=0)])}


def measured(names, with_emulation: bool) -> dict:
    found = {}
    for name in names:
        for threads in (1, 2):
            found[f"{name}, threads {threads}"] = network(name, threads)
            print(name, threads, *found[f"{name}, threads {threads}"].values(), flush=True)
        if found[f"{name}, threads 1"] != found[f"{name}, threads 2"]:
            sys.exit(f"{name}: one thread and two do not agree")
    if with_emulation:
        for graph in (True, False):
            found[f"emulated, graph={graph}"] = emulated(graph)
            print("emulated", graph, *found[f"emulated, graph={graph}"].values(), flush=True)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--write", action="store_true", help="write the hashes down, after those that are there")
    task.add_argument("--check", action="store_true", help="compare with them")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--emulated", action="store_true", help="the emulated CUDA kernels too; needs g++ and pytest")
    parser.add_argument("--file", type=Path, default=OUT)
    options = parser.parse_args()
    here = machine.describe()["cpu"]
    known = json.loads(options.file.read_text("utf-8")) if options.file.exists() else {"cpu": here, "hashes": {}}
    if known["cpu"] != here:
        sys.exit(f"{options.file}: expected hashes of this CPU ({here}), found those of {known['cpu']}")
    found = measured(options.networks, options.emulated)
    if options.write:
        machine.write_json(options.file, {"cpu": here, "hashes": known["hashes"] | found})
        return
    wrong = [f"{group}: {what}" for group, hashes in found.items() for what, value in hashes.items()
             if known["hashes"].get(group, {}).get(what) != value]  # fmt: skip
    print(f"{len(found)} groups, different: " + ("; ".join(wrong) or "none"))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
