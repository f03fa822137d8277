"""Has a change of numba_cpu's text changed its machine code?

    python benchmarks/machine_code.py --out BEFORE            write every kernel's instructions into a folder
    python benchmarks/machine_code.py --out AFTER             the same with the changed text
    python benchmarks/machine_code.py --compare BEFORE AFTER  exit code 1 if a kernel's instructions are others
    python benchmarks/machine_code.py --out ... conv dense    only kernels whose file's name begins with such a word

Every kernel is compiled for the argument types of the calls below, none is run: `--cpu znver4` or another that LLVM
knows makes the folder the same on any machine of its kind. What is compared is what runs on the threads and what Python
calls, without the unpacking of Python's arguments. Symbols are numbered as they come, so names do not matter. Where
instructions are the same and only their numbers differ, a variable lies elsewhere in a struct or on the stack: that is
told apart, as is a kernel whose instructions differ in number or order.
"""

import argparse
import difflib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
UNPACKING = ("_ZN7cpython", "NRT_", "numba_")  # functions that are not compared begin so
ENTRY = "entry, with what runs on the threads above:"
NUMBER = re.compile(r"-?0x[0-9a-f]+|\b\d+\b")


def calls() -> None:
    """Each kernel with each set of argument types that training and prediction give it."""
    from minicnn.kernels import Key
    from minicnn.kernels import numba_cpu as k

    f = np.float32
    x, w, b, row = np.ones((3, 11, 11, 5), f), np.ones((3, 3, 5, 7), f), np.ones(7, f), np.ones((11, 1, 1), f)
    y, one = np.ones((3, 11, 11, 7), f), np.ones((1, 1), f)
    pads, key, pool = ((1, 1), (1, 1)), Key(1, 2, 3, 4), {"window": (2, 2), "strides": (2, 2), "pads": ((0, 0), (0, 0))}
    three = {"window": (3, 3), "strides": (2, 2), "pads": pads}
    pooled, argmax = np.ones((3, 5, 5, 7), f), np.ones((3, 5, 5, 7), np.uint8)
    for algorithm in ("im2col", "winograd"):
        how = {"strides": (1, 1), "pads": pads, "algorithm": algorithm}
        k.conv2d_folded(x, w, b, (b, b), conv=how)
        k.conv2d_input_grad(y, w, x.shape, **how)
        k.conv2d_weight_grad(x, y, w.shape, **how)
        for affine in (None, (row[:10], row[:10])):
            k.conv2d_max_pool(x, w, b, conv={**how, "affine": affine}, pool={**pool, "rate": 0.5, "key": key})
        halves = {**pool, "rate": 0.5}
        k.conv2d_max_pool_grad(pooled, argmax, pooled, x, w, conv=how, pool=halves, needs=(False, True))
        for more in ({}, {"argmax": argmax, "pool": pool}):
            dy = pooled if more else y
            k.batch_norm_conv2d_weight_grad(dy, y, (b, b, b, 1e-3, -1), x, w.shape, conv=how, **more)
    k.conv2d(x, w, b, strides=(1, 1), pads=pads, stats=True)
    for rows in (2, 9):
        k.dense(np.ones((rows, 6), f), np.ones((6, 7), f), b, relu=True)
        k.dense_input_grad(np.ones((rows, 7), f), np.ones((6, 7), f))
        k.dense_weight_grad(np.ones((rows, 6), f), np.ones((rows, 7), f))
    d = np.ones((3, 3, 5, 2), f)
    how = {"strides": (1, 1), "pads": pads}
    k.depthwise_conv2d(x, d, **how)
    k.depthwise_conv2d_input_grad(np.ones((3, 11, 11, 10), f), d, x.shape, **how)
    k.depthwise_conv2d_weight_grad(x, np.ones((3, 11, 11, 10), f), d.shape, **how)
    large = np.ones((64, 64, 64), f)
    k.activate(x, kind="gelu"), k.activate_grad(y, y, kind="gelu")
    k.relu(x), k.relu_grad(y, y), k.relu_bias_grad(y, y), k.bias_grad(large)
    for shape in ((363, 7, 1), (3, 7, 121)):
        z, batch = np.ones(shape, f), {"eps": 1e-3}
        k.batch_norm_stats(z)
        k.batch_norm(z, b, b, b, b, **batch)
        k.batch_norm_grad(z, z, b, b, b, **batch, batch_stats=True)
    k.batch_norm_grad(np.ones((363, 7, 1), f), np.ones((363, 7, 1), f), b, b, b, eps=1e-3, batch_stats=True, relu=True)
    for axis, values in ((-1, b), (1, np.ones(11, f))):
        norm = values, values, values, 1e-3, axis
        k.batch_norm_max_pool(y, (values, *norm), pool={**pool, "rate": 0.5, "key": key})
        k.batch_norm_max_pool_grad(pooled, argmax, y, norm, pool={**pool, "rate": 0.5})
    k.max_pool(x, **three, rate=0.5, key=key)
    k.max_pool_grad(np.ones((3, 6, 6, 5), f), np.ones((3, 6, 6, 5), np.uint8), x.shape, **three)
    k.max_pool_grad(pooled, argmax, y.shape, **pool, rate=0.5, y=pooled)
    k.average_pool(x, **three)
    k.average_pool_grad(np.ones((3, 6, 6, 5), f), x.shape, **three)
    k.softmax(one), k.softmax_cross_entropy(one, one)
    k.philox(1000, key), k.dropout(x, rate=0.5, key=key)
    k.affine_warp(x, np.ones((3, 2, 3)), fill_mode="nearest", cval=0.0, scale=1.0)
    rates = {name: 0.1 for name in ("beta_1", "beta_2", "eps")}
    k.sgd_step(b, b, (b,), lr=0.1, momentum=0.9, nesterov=True)
    k.rmsprop_step(b, b, (b, b, b), lr=0.1, rho=0.9, momentum=0.9, eps=0.1)
    k.adam_step(b, b, (b, b, b), rate=0.1, **rates)
    k.adagrad_step(b, b, (b,), lr=0.1, eps=0.1)
    k.adadelta_step(b, b, (b, b), lr=0.1, rho=0.9, eps=0.1)
    k.adamax_step(b, b, (b, b), rate=0.1, **rates)
    k.nadam_step(b, b, (b, b), lr=0.1, scales=(1.0, 1.0, 1.0), **rates)
    k.lion_step(b, b, (b,), lr=0.1, beta_1=0.9, beta_2=0.9)
    k.ftrl_step(b, b, (b, b), lr=0.1, power=-0.5, penalties=(0.1, 0.1, 0.1), beta=0.1)


def functions(elf: bytes) -> list[str]:
    """The instructions of each function of an object file, symbols numbered, in the order in which they lie there.

    Last, below ENTRY, is what starts the threads: it puts down the arguments, once for a call.
    """
    with tempfile.NamedTemporaryFile(suffix=".o") as file:
        file.write(elf)
        file.flush()
        command = ["objdump", "-d", "-r", "--no-show-raw-insn", "--no-addresses", file.name]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = []
    for part in re.split(r"\n(?=<[^\n]+>:\n)", text)[1:]:
        head, *lines = part.splitlines()
        if not head.startswith(tuple(f"<{name}" for name in UNPACKING)):
            lines = [line.strip() for line in lines if line.strip() and not line.startswith("Disassembly")]
            found.append((any("numba_parallel_for" in line for line in lines), lines))
    found.sort(key=lambda function: function[0])
    if found[-1][0]:
        found[-1][1].insert(0, ENTRY)
    symbols: dict[str, str] = {}

    def numbered(match):
        name, at = re.fullmatch(r"(.*?)([+-]0x[0-9a-f]+)?", match[2]).groups()
        return match[1] + symbols.setdefault(name, f"s{len(symbols)}") + (at or "")

    return ["\n".join(re.sub(r"(<|R_\w+\s+)([^>\s]+)", numbered, line) for line in lines) for _, lines in found]


def name_of(kernel) -> str:
    """file.variable, by which the file calls it."""
    module = sys.modules[kernel.py_func.__module__]
    bound = [name for name, value in vars(module).items() if kernel is getattr(value, "compiled", value)]
    return f"{module.__name__.split('.')[-1]}.{min(bound).lstrip('_')}"


def dump(out: Path, words: list[str]) -> int:
    """Compile what `calls` needs, into the cache on disk, and write one file per kernel."""
    from minicnn.kernels.numba_cpu.runtime import ahead

    out.mkdir(parents=True, exist_ok=True)
    numbers: dict[str, int] = {}
    for kernel, kinds in ahead.needed(calls):
        name = name_of(kernel)
        if words and not name.startswith(tuple(words)):
            continue
        kernel.compile(kinds)  # into the cache on disk, where its object file is
        key = kernel._cache._index_key(kinds, kernel.targetctx.codegen())
        (_, _, (elf, _)), *_ = kernel._cache._cache_file.load(key)
        numbers[name] = numbers.get(name, -1) + 1
        (out / f"{name}.{numbers[name]}.s").write_text("\n\n".join(functions(elf)) + "\n")
    print(f"{sum(n + 1 for n in numbers.values())} kernels in {out}")
    return 0


def compare(before: Path, after: Path) -> int:
    """What has become of each kernel of `before`."""
    names = sorted({path.name for folder in (before, after) for path in folder.glob("*.s")})
    verdicts: dict[str, list[str]] = {}
    for name in names:
        if not ((before / name).exists() and (after / name).exists()):
            verdicts.setdefault("only in one of the folders", []).append(name)
            continue
        old, new = ((folder / name).read_text() for folder in (before, after))
        bare = [NUMBER.sub("#", text).splitlines() for text in (old, new)]
        if old == new:
            verdict = "the same"
        elif bare[0] == bare[1]:
            verdict = "the same instructions, other offsets"
        elif ENTRY in old and old.split(ENTRY)[0] == new.split(ENTRY)[0]:
            verdict = "the same on the threads; arguments are put down in another order"
        elif ENTRY in old and len({NUMBER.sub("#", text.split(ENTRY)[0]) for text in (old, new)}) == 1:
            verdict = "the same instructions on the threads, other offsets; arguments are put down in another order"
        else:
            blocks = difflib.SequenceMatcher(None, *bare, autojunk=False).get_matching_blocks()
            same = sum(block.size for block in blocks)
            verdict, name = "other instructions", f"{name} ({len(bare[0])} -> {len(bare[1])}, {same} in common)"
        verdicts.setdefault(verdict, []).append(name)
    for verdict, found in verdicts.items():
        print(f"{verdict}: {len(found)}", *([] if verdict == "the same" else found), sep="\n    ")
    return int(any(not verdict.startswith("the same") for verdict in verdicts))


def main(words=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kernels", nargs="*", help="beginnings of their names")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--compare", nargs=2, type=Path)
    parser.add_argument("--cpu", help="for this CPU, with all its features, instead of the one that is here")
    asked = parser.parse_args(words)
    if asked.compare:
        return compare(*asked.compare)
    if not asked.out:
        parser.error("expected --out FOLDER or --compare BEFORE AFTER, received neither")
    if asked.cpu:
        os.environ["NUMBA_CPU_NAME"] = asked.cpu
    return dump(asked.out, asked.kernels)


if __name__ == "__main__":
    sys.exit(main())
