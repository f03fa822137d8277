"""The recipes of docs/trackers.md, as they stand there: trackio's always, the others' where their packages are."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.tools
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "trackers.md").read_text("utf-8")
RECIPES = {name: text for text, name in re.findall(r"```py\n(import (\w+).*?)```", PAGE, re.S)}
OTHERS = [name for name in RECIPES if name != "trackio" and importlib.util.find_spec(name)]
BEFORE = """
import json, numpy as np, minicnn
from minicnn import layers
parts = [layers.Input((4, 4, 1)), layers.Flatten(), layers.Dense(3, activation="softmax")]
model = minicnn.Sequential(parts, seed=0, kernels="reference")
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
x, y = np.random.default_rng(0).random((64, 4, 4, 1), np.float32), np.arange(64) % 3
"""
READ = {
    "trackio": "from trackio.sqlite_storage import SQLiteStorage; found = SQLiteStorage.get_logs('digits', 'first')",
    "mlflow": "found = [{m.key: m.value, 'step': m.step} for name in model.history.history for m in "
              "mlflow.MlflowClient().get_metric_history(mlflow.last_active_run().info.run_id, name)]",
    "wandb": "found = []",  # its file is for `wandb sync`
}  # fmt: skip


def run(name, folder):
    """What the tracker holds after the recipe's fit, in a process whose trackers write to `folder`: rows, History."""
    here = str(folder)
    env = os.environ | {
        "TRACKIO_DIR": here, "WANDB_DIR": here, "WANDB_MODE": "offline", "MLFLOW_TRACKING_URI": f"file:{here}/mlruns",
        "MLFLOW_ALLOW_FILE_STORE": "true", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    script = f"{BEFORE}\n{RECIPES[name]}\n{READ[name]}\nprint(json.dumps([found, model.history.history], default=str))"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, cwd=here, env=env, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_recipes_are_short():
    assert list(RECIPES) == ["trackio", "mlflow", "wandb"]
    for recipe in RECIPES.values():
        body = recipe[recipe.index("class") :].splitlines()
        assert len([line for line in body if line]) <= 12


def check(rows, history):
    assert {row["step"] for row in rows} == {0, 1, 2}
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        found = [row[name] for row in sorted(rows, key=lambda row: row["step"]) if name in row]
        np.testing.assert_allclose(found, history[name], rtol=1e-6)


def test_trackio(tmp_path):
    pytest.importorskip("trackio", reason='needs the package trackio: pip install -e ".[trackers]"')
    check(*run("trackio", tmp_path))


if OTHERS:  # else there is nothing to try, which would count as a skip

    @pytest.mark.parametrize("name", OTHERS)
    def test_others_that_are_installed(name, tmp_path):
        rows, history = run(name, tmp_path)
        if name != "wandb":  # whose offline files have no reader
            check(rows, history)
        assert any(path.is_file() for path in tmp_path.rglob("*"))
