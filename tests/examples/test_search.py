"""The search for hyper-parameters: processes that share a journal, and trials that are given up."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "search.py"
pytestmark = [pytest.mark.slow, pytest.mark.several]


def test_two_processes_search_and_the_same_command_goes_on(tmp_path):
    optuna = pytest.importorskip("optuna", reason='the search needs optuna: pip install -e ".[search]"')
    command = [sys.executable, str(SCRIPT), "--processes", "2", "--trials", "6", "--journal", "found.journal"]
    env = {"PYTHONPATH": str(SCRIPT.parents[1])}
    for trials in (6, 12):
        done = subprocess.run(command, cwd=tmp_path, env=env, text=True, capture_output=True, timeout=500)
        assert done.returncode == 0, done.stderr
        count, best = re.match(r"(\d+) trials, .* best val_accuracy (0\.\d+)\n", done.stdout).groups()
        assert trials <= int(count) <= trials + 1  # one that the other process had begun
        assert float(best) > 0.8
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(tmp_path / "found.journal"))
    )
    study = optuna.load_study(study_name="digits", storage=storage)
    assert {trial.state.name for trial in study.trials} <= {"COMPLETE", "PRUNED"}
    assert study.best_value == float(max(trial.value for trial in study.trials if trial.state.name == "COMPLETE"))
