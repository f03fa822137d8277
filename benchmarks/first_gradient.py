"""How long is it from a clone to the first gradient that one sees?  README's two commands, in a fresh environment.

    python benchmarks/first_gradient.py             pip fetches everything anew: its cache stays closed
    python benchmarks/first_gradient.py --cached    with what pip has in its cache

The commands are those of README's "See inside", word for word: an installation, then `minicnn play`. What the page asks
for is asked as its script does: a digit is drawn, "backward" is pressed, a cell of the first layer is pointed at; its
gradient is the end. No browser's start is in it, and no reading. Nothing is found that an earlier run has compiled.
"""

import argparse
import base64
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import machine

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from minicnn.play.questions import SIDE  # noqa: E402


def commands() -> list[str]:
    """What README tells a student to type first."""
    section = (ROOT / "README.md").read_text("utf-8").partition("\n## See inside\n")[2]
    block = re.search(r"(?:^    \S.*\n)+", section, re.MULTILINE)
    lines = [line.partition("#")[0].strip() for line in block[0].splitlines()] if block else []
    if [line.partition(" ")[0] for line in lines] != ["pip", "minicnn"]:
        raise SystemExit(f"README's See inside: expected an installation and minicnn play first, received {lines}")
    return lines


def asked(address: str, name: str, body: bytes) -> dict:
    request = urllib.request.Request(f"{address}api/{name}", body, method="POST")
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())


def seven() -> bytes:
    """A digit on the page's canvas, in two strokes."""
    rows = [bytearray(SIDE) for _ in range(SIDE)]
    for k in range(80):
        rows[30][30 + k : 39 + k] = bytes([255]) * 9
        rows[34 + k][100 - k // 2 : 109 - k // 2] = bytes([255]) * 9
    return b"".join(rows)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cached", action="store_true", help="let pip use its cache")
    args = parser.parse_args(argv)
    machine.warn_if_busy()
    install, play = commands()
    spent: list[tuple[str, float]] = []
    began = time.perf_counter()

    def done(what: str) -> None:
        nonlocal began
        now = time.perf_counter()
        spent.append((what, now - began))
        print(f"{now - began:8.1f} s  {what}", flush=True)
        began = now

    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", f"{folder}/venv"], check=True)
        environment = os.environ | {"PATH": f"{folder}/venv/bin{os.pathsep}{os.environ['PATH']}",
                                    "NUMBA_CACHE_DIR": f"{folder}/numba", "MINICNN_CACHE": f"{folder}/cache",
                                    "PIP_QUIET": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}  # fmt: skip
        environment |= {} if args.cached else {"PIP_NO_CACHE_DIR": "1"}
        environment.pop("PYTHONPATH", None)
        done("a virtual environment")
        subprocess.run(shlex.split(install), cwd=ROOT, env=environment, check=True)
        done(install)
        asks = {"cwd": folder, "env": environment, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen(shlex.split(play), **asks) as page:
            try:
                address = next(found[0] for line in page.stdout if (found := re.search(r"http://\S+/", line)))
                done(f"{play}: its address")
                for name in ("", "style.css", "page.js", "app.js", "preact.js"):
                    urllib.request.urlopen(address + name).close()
                about = asked(address, "about", b"")
                asked(address, "draw", seven())
                done("the page, and a digit drawn on it")
                found = asked(address, "backward", b'{"label": 7}')
                first = about["layers"][0]["name"]
                cell = asked(address, "cell", json.dumps({"name": first, "index": [12, 12, 0]}).encode())
                assert len(base64.b64decode(found["layers"][0]["gradient"])) > 0
                assert type(cell["gradient"]) is float
                done(f"backward, and one cell: dL/d {first}[12, 12, 0] = {cell['gradient']:.6g}")
            finally:
                page.send_signal(signal.SIGINT)
    print(f"{sum(seconds for _, seconds in spent):8.1f} s  in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
