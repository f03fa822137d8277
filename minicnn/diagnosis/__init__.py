"""minicnn.doctor(): what this machine has, what is missing, and the line that mends it.

      facts.py, backend/gpu_facts.py      ask, one small function per subject; none raises
      advice.py, backend/gpu_report.py    facts -> what is wrong and its line
      text.py                             facts and problems -> lines for people

Only the first kind looks at the machine: every broken machine is a dict, and so a test.
"""

from collections.abc import Callable

from ..arguments import function
from ..errors import one_of

__all__ = ["doctor"]

DEVICES = ("auto", "cpu", "cuda")


def doctor(device: str = "auto", *, print_fn: Callable[[str], object] | None = print) -> dict:
    """Report on this machine and return the facts as plain dicts, lists and strings. Nothing is compiled.

    device    "cpu" or "cuda": the one that has to work; "auto": the CPU has to, a GPU may
    print_fn  takes each line of the report; None: silent

    Facts: minicnn, system, numpy, numba, kernels, packages, data, gpu; what follows from them: problems (each with
    what, fix and stops: the device that does not work because of it, or None), devices (name -> whether it works),
    works (whether `device` does). A GPU that can be used is started, which takes some 300 MB of its memory.
    Raises ArgumentError for another device, and nothing else.
    """
    from . import advice, facts, text

    one_of("device", device, DEVICES)
    function("doctor: print_fn", print_fn, of="a line", optional=True)
    found = facts.gather()
    found["problems"] = advice.problems(found)
    stopped = {problem["stops"] for problem in found["problems"]}
    found["devices"] = {name: name not in stopped for name in ("cpu", "cuda")}
    found["works"] = found["devices"]["cpu"] and (device != "cuda" or found["devices"]["cuda"])
    on_gpu = device == "cuda" or (device == "auto" and found["devices"]["cuda"])
    found["kernels"] = facts.kernel_table("cuda" if on_gpu else "numba_cpu")
    if print_fn is not None:
        for line in text.lines(found):
            print_fn(line)
    return found
