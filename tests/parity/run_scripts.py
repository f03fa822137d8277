"""python -m tests.parity.run_scripts keras|minicnn.keras: every script of scripts/, its import lines changed, as JSON.

The scripts are in the style of the classics and say tensorflow.keras. Only that name is replaced: for Keras by where
Keras 3 keeps the names of old, for minicnn by minicnn.keras.
"""

import importlib
import json
import re
import sys
import traceback
from pathlib import Path

SCRIPTS = Path(__file__).parent / "scripts"
SEED = 7


def changed(text: str, target: str) -> str:
    """Import lines alone change."""
    text = re.sub(r"^from tensorflow import keras$", f"import {target} as keras", text, flags=re.MULTILINE)
    return re.sub(r"^from tensorflow\.keras\b", f"from {target}", text, flags=re.MULTILINE)


def run(path: Path, target: str) -> dict:
    """What a script leaves behind: its model's parameters and its losses; or how it failed."""
    names: dict = {"__name__": "__main__"}
    importlib.import_module(f"{target}.utils").set_random_seed(SEED)  # a script without luck is none of our business
    try:
        exec(compile(changed(path.read_text("utf-8"), target), path.name, "exec"), names)
    except Exception:
        return {"script": path.stem, "failed": traceback.format_exc(limit=-2)}
    return {"script": path.stem, "parameters": int(names["model"].count_params()),
            "losses": [float(loss) for loss in names["losses"]]}  # fmt: skip


if __name__ == "__main__":
    target = {"keras": "keras._tf_keras.keras"}.get(sys.argv[1], sys.argv[1])
    for path in sorted(SCRIPTS.glob("*.py")):
        print("RESULT", json.dumps(run(path, target)), flush=True)
