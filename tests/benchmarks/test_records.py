"""RECORDS.md: a table of what was measured, and of nothing else."""

import sys
from pathlib import Path

import pytest

from tests.benchmarks import program


@pytest.fixture
def records(tmp_path, monkeypatch):
    module = program("records", monkeypatch)
    module.RESULTS, module.PAGE, module.RUNS = tmp_path / "records.json", tmp_path / "RECORDS.md", tmp_path / "runs"
    monkeypatch.setattr(module.machine, "commit", lambda: "abc")  # asks git by the same subprocess.run
    return module


def run(accuracies, commit="abc", ensemble=None, first=0):
    seeds = [{"seed": first + i, "accuracy": a, "seconds": 60.0, "whole": True} for i, a in enumerate(accuracies)]
    return {"recipe": "fashion", "seeds": seeds, "commit": commit, "cpu": "a CPU", "cores": 2, "ensemble": ensemble}


def test_rows(records):
    """n, mean, deviation and lowest of all seeds; another commit is another row; an ensemble is of these seeds."""
    both = {"seeds": [0, 1], "accuracy": 0.95}
    text = records.rows([run([0.9, 0.94], ensemble=both), run([0.93], "def"), run([0.92], "abc", first=2)])
    assert text.splitlines() == [
        "| fashion | 3 | 0.9200 | 0.0200 | 0.9000 | - | 60 | a CPU, 2 | abc |",
        "| fashion | 1 | 0.9300 | - | 0.9300 | - | 60 | a CPU, 2 | def |",
    ]
    assert "| 0.9500 |" in records.rows([run([0.9, 0.94], ensemble=both)])


def test_arithmetic_counts_products_three_times(records, monkeypatch, capsys):
    """Forward, and the gradients of weights and inputs; the first layer stands still, the second gives none back."""
    sizes = ((31, 24, 64), (15, 64, 64), (15, 64, 256), (7, 256, 256), (7, 256, 256), (3, 256, 256))
    products = [2 * 9 * size**2 * c * k for size, c, k in sizes] + [2 * 256 * 10]
    whitening = 2 * 4 * 31**2 * 3 * 24
    total = (whitening + 3 * sum(products) - products[0]) * 50_000 * 14
    monkeypatch.setattr(sys, "argv", ["records.py", "cifar10", "--arithmetic"])
    records.main()
    head, line = capsys.readouterr().out.splitlines()
    assert "GFLOP/s by the definition" in head
    rate = f"{total / 1200e9:.0f} GFLOP/s in 20 minutes"
    assert line.startswith(f"cifar10: 14 epochs are {total / 1e15:.3f} PFLOP, {rate}")
    assert not records.PAGE.exists()


def test_nothing_is_written_that_nobody_measured(records, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["records.py", "--table"])
    records.main()
    assert "nothing is written" in capsys.readouterr().out
    assert not records.PAGE.exists()
    assert not records.RESULTS.exists()


def test_a_killed_run_is_gone_on_with(records, monkeypatch):
    """The same command trains into the same folder; other seeds have another."""
    folders, commands = [], []

    def killed(command, **how):
        commands.append(command)
        folders.append(Path(command[command.index("--out") + 1]))
        assert folders[-1].is_dir()
        raise KeyboardInterrupt

    monkeypatch.setattr(records.subprocess, "run", killed)
    for seeds in ("01", "01", "02"):
        monkeypatch.setattr(sys, "argv", ["records.py", "fashion", "--seed", *seeds])
        with pytest.raises(KeyboardInterrupt):
            records.main()
    assert folders[0] == folders[1] != folders[2]
    monkeypatch.setattr(records.machine, "commit", lambda: "abc+")  # of a tree that no commit holds
    with pytest.raises(KeyboardInterrupt):
        records.main()
    assert ["--fresh" in command for command in commands] == [False, False, False, True]
    assert not records.RESULTS.exists()


def test_a_rehearsal_is_no_record(records, monkeypatch):
    def trained(command, **how):
        out = Path(command[command.index("--out") + 1])
        (out / "record.json").write_text('{"seed": 0, "accuracy": 1.0, "seconds": 1.0, "whole": false}')

    monkeypatch.setattr(records.subprocess, "run", trained)
    monkeypatch.setattr(sys, "argv", ["records.py", "fashion", "--seed", "0", "--epochs", "1"])
    with pytest.raises(SystemExit, match="is no record"):
        records.main()
    assert not records.RESULTS.exists()
