"""What the compiler made of a kernel: registers, spills, instructions, and the loop that a matrix product spends its
time in. Read from the machine code of NVRTC's cubin by cuobjdump and nvdisasm (packages nvidia-cuda-cuobjdump,
nvidia-cuda-nvdisasm, or a CUDA toolkit).

    python -m tests.cuda.sass conv norm        the table of these files, tf32, sm_90
"""

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

from minicnn.kernels.cuda.launch import NVRTC_OPTIONS, source
from tests.cuda import nvrtc

FUNCTION = re.compile(r"Function : (\w+)")
LINE = re.compile(r"/\*([0-9a-f]{4,})\*/\s+(.+?);")
JUMP = re.compile(r"BRA(?:\.\w+)* (?:!?U?P\w+, )?`?\(?(?:0x)?([0-9a-f]+)")
PROPERTIES = re.compile(
    r"Compiling entry function '(\w+)'.*?(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads"
    r".*?Used (\d+) registers(?:[^\n]*?(\d+) bytes smem)?", re.DOTALL,
)  # fmt: skip


class Kernel(NamedTuple):
    """instructions: of the kernel;  loop, hmma: of the loop with the most tensor-core instructions, and those in it;
    longest: of its longest innermost loop;  spilled: bytes of stack and spills."""

    instructions: int
    loop: int
    hmma: int
    longest: int
    registers: int
    spilled: int
    shared: int
    text: tuple[str, ...]

    def count(self, pattern: str) -> int:
        """How many instructions match."""
        return sum(re.search(pattern, line) is not None for line in self.text)


@cache
def tools() -> tuple[str, str] | None:
    """cuobjdump's place, and a $PATH with nvdisasm, which it starts; None where one of them is missing."""
    spec = importlib.util.find_spec("nvidia")
    folders = [Path(folder) for folder in spec.submodule_search_locations] if spec else []
    found = [str(path) for folder in folders for path in sorted(folder.glob("*/bin"))]
    path = os.pathsep.join([*found, os.environ.get("PATH", "")])
    programs = [shutil.which(name, path=path) for name in ("cuobjdump", "nvdisasm")]
    return (programs[0], path) if all(programs) else None


@cache
def kernels(stem: str, options: tuple[str, ...] = (), architecture: str = "sm_90") -> dict[str, Kernel]:
    """Every kernel of a file, by name."""
    how = (*NVRTC_OPTIONS, f"--gpu-architecture={architecture}", "--ptxas-options=-v", *options)
    ok, log, cubin = nvrtc.build(source(stem), how)
    assert ok, log
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        cuobjdump, path = tools()
        done = subprocess.run([cuobjdump, "-sass", file.name], env=os.environ | {"PATH": path}, capture_output=True,
                              text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    text = done.stdout
    properties = {found[0]: list(map(int, (part or 0 for part in found[1:]))) for found in PROPERTIES.findall(log)}
    pieces = FUNCTION.split(text)[1:]
    result = {}
    for name, body in zip(pieces[::2], pieces[1::2], strict=True):
        lines = [(int(at, 16), what) for at, what in LINE.findall(body) if not what.startswith("NOP")]
        stack, stores, loads, registers, shared = properties[name]
        result[name] = Kernel(len(lines), *_loops(lines), registers, stack + stores + loads, shared,
                              tuple(what for _, what in lines))  # fmt: skip
    return result


def _loops(lines) -> tuple[int, int, int]:
    """(instructions and HMMA of the innermost loop with most HMMA, instructions of the longest innermost loop)."""
    loops = []
    for at, what in lines:
        jump = JUMP.search(what)
        if jump and int(jump[1], 16) < at:
            loops.append((int(jump[1], 16), at))
    inner = [a for a in loops if not any(b != a and a[0] <= b[0] and b[1] <= a[1] for b in loops)]
    counted = [[what for at, what in lines if first <= at <= last] for first, last in inner]
    most = max(([*(("HMMA" in what) for what in loop)] for loop in counted), key=sum, default=[])
    return len(most), sum(most), max(map(len, counted), default=0)


if __name__ == "__main__":
    import sys

    from minicnn.kernels.cuda.launch import gemm_options

    print(f"{'file':12} {'kernel':26} {'options':10} instr  loop/HMMA  regs  spilled  shared")
    for stem in sys.argv[1:] or ("conv", "dense", "norm", "activation", "pool", "optimizer", "step", "loss"):
        variants = [gemm_options("tf32", *sizes) for sizes in ((4, 4), (1, 4), (1, 1))]
        for options in variants if stem in ("conv", "dense") else [()]:
            for name, k in kernels(stem, options).items():
                short = "".join(option[-1] for option in options)
                print(f"{stem:12} {name:26} {short:10} {k.instructions:5} {k.loop or k.longest:5}/{k.hmma:3} "
                      f"{k.registers:5} {k.spilled:6} {k.shared:8}")  # fmt: skip
