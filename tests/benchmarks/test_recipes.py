"""The benchmark of the recipes: what it runs and skips, what it keeps, and an honest table."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from minicnn import recipes
from minicnn.reports import machine
from tests.benchmarks import program


@pytest.fixture
def benchmark(tmp_path, monkeypatch):
    """The module with files of its own and a training that takes no time; `started` lists (recipe, seed)."""
    module = program("recipes", monkeypatch)
    module.RESULTS, module.PAGE, module.README = (tmp_path / n for n in ("recipes.json", "benchmarks.md", "README.md"))
    module.KERAS = tmp_path / "recipes_keras.json"
    for page in (module.PAGE, module.README):
        page.write_text(f"before\n{module.BEGIN}\nold\n{module.END}\nafter\n")
    module.started, module.code = [], 0

    def run(command, env):
        name, options = command[2], dict(word[2:].split("=", 1) for word in command[3:] if "=" in word)
        module.started.append((name, int(options["seed"])))
        out = Path(options["out"])  # a folder; the worker for Keras is told the file
        folder = out.parent if out.suffix else out
        folder.mkdir(parents=True)
        summary = result(name, int(options["seed"]), epochs=int(options.get("epochs", recipes.BY_NAME[name].epochs)))
        (folder / "summary.json").write_text(json.dumps(summary))
        return SimpleNamespace(returncode=module.code)

    monkeypatch.setattr(module.subprocess, "run", run)
    monkeypatch.setattr(machine, "commit", lambda: "abc")

    def main(*arguments):
        module.started.clear()
        folder = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        monkeypatch.setattr(sys, "argv", ["recipes.py", *arguments, "--out", str(folder)])
        return module.main()

    module.run = main
    return module


def result(name, seed, value=0.996, epochs=None, date="2026-01-01", commit="abc"):
    recipe = recipes.BY_NAME[name]
    epochs = recipe.epochs if epochs is None else epochs
    place = {"cpu": "Some CPU", "cores": 2, "settings": {"OPENBLAS_CORETYPE": "Haswell"}, "commit": commit}
    return {"recipe": name, "seed": seed, "epochs": epochs, "as_published": epochs == recipe.epochs, "value": value,
            "figure": recipe.figure, "published": recipe.published, "device": "CPU, 2 threads", "machine": place,
            "seconds": {"epochs": [2.0] * epochs, "all": 90.0}, "date": date, "asked_threads": None}  # fmt: skip


def test_runs_are_kept_and_not_done_again(benchmark, capsys):
    assert benchmark.run("valid_conv", "kaggle_bn", "--seed", "0", "1") == 0
    assert benchmark.started == [("valid_conv", 0), ("kaggle_bn", 0), ("valid_conv", 1), ("kaggle_bn", 1)]
    assert len(benchmark.read()) == 4
    assert benchmark.run("valid_conv") == 0
    assert benchmark.started == [("valid_conv", 2)]
    assert "valid_conv, seed 0: there already, test accuracy 0.9960" in capsys.readouterr().out
    benchmark.run("valid_conv", "--again", "--seed", "0")
    assert benchmark.started == [("valid_conv", 0)]
    benchmark.run("valid_conv", "--threads", "1", "--seed", "0")  # another measurement
    assert benchmark.started == [("valid_conv", 0)]
    assert len(benchmark.read()) == 6
    benchmark.run("--table")
    assert benchmark.started == []


def test_another_commit_is_measured_anew_and_takes_the_old_ones_place(benchmark, monkeypatch):
    benchmark.keep(result("valid_conv", 0, commit="older"))
    benchmark.run("valid_conv", "--seed", "0")
    assert benchmark.started == [("valid_conv", 0)]
    assert [run["machine"]["commit"] for run in benchmark.read()] == ["abc"]


def test_keras_has_a_file_of_its_own_and_counts_once_complete(benchmark):
    benchmark.keep(result("kaggle_bn", 0))
    benchmark.run("kaggle_bn", "--keras", "--seed", "0")
    assert benchmark.started == [("kaggle_bn", 0)]
    assert [len(benchmark.read(path)) for path in (benchmark.RESULTS, benchmark.KERAS)] == [1, 1]
    assert "| .9960, one seed |" in benchmark.PAGE.read_text()
    benchmark.keep(result("kaggle_bn", 1, 0.99, commit="older"), benchmark.KERAS)
    benchmark.run("kaggle_bn", "--keras", "--seed", "0", "1")  # the commit does not matter here
    assert benchmark.started == []
    assert "| .9930: .9960, .9900 |" in benchmark.PAGE.read_text()
    benchmark.keep(result("valid_conv", 0))
    benchmark.keep(result("valid_conv", 0, 0.97), benchmark.KERAS)  # one seed here says less than three elsewhere
    benchmark.run("--table")
    assert "| .9895: .9918, .9907, .9859 |" in benchmark.PAGE.read_text()


def test_the_table_between_the_markers(benchmark):
    for seed, value in enumerate((0.9940, 0.9920, 0.9910)):
        benchmark.keep(result("lenet_16_36", seed, value))
    benchmark.keep(result("valid_conv", 0, 0.98))
    benchmark.keep(result("kaggle_bn", 0, epochs=1))  # a rehearsal
    assert benchmark.run("--table") == 1  # a floor is missed
    text = benchmark.PAGE.read_text()
    assert text.startswith(f"before\n{benchmark.BEGIN}\n| recipe |")
    assert text.endswith(f"{benchmark.END}\nafter\n")
    assert "old" not in text
    assert "kaggle_bn" not in text
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert rows == [
        "| `lenet_16_36` | test .9926, test loss .02197 | test accuracy | **.9923** | .9940, .9920, .9910 | "
        ".9926 (.9935): **missed** | not measured | 2.0; 1.5, 1.5, 1.5 |",
        "| `valid_conv` | test about .992 | test accuracy | **.9800** | .9800 | .9885 (.9920): **missed**, "
        "1 of 3 seeds | .9895: .9918, .9907, .9859 | 2.0; 1.5 |",
    ]
    note = "Measured on Some CPU, 2 cores; CPU, 2 threads; OPENBLAS_CORETYPE=Haswell; commit abc: lenet_16_36 0, "
    assert note + "lenet_16_36 1, lenet_16_36 2, valid_conv 0." in text


def test_the_readme_has_the_short_table(benchmark):
    for seed, value in enumerate((0.9940, 0.9920, 0.9910)):
        benchmark.keep(result("lenet_16_36", seed, value))
    benchmark.run("--table")
    rows = [line for line in benchmark.README.read_text().splitlines() if line.startswith("| `")]
    assert rows == ["| `lenet_16_36` | test .9926, test loss .02197 | test accuracy **.9923** (3 seeds) | 1.5 |"]


def test_floors_are_those_of_every_recipe(benchmark):
    assert list(benchmark.GOALS) == list(recipes.BY_NAME)
    assert all(0.98 < floor < aim < 1 for floor, aim, _ in benchmark.GOALS.values())
    assert "met" in benchmark.row("kaggle_bn", [result("kaggle_bn", 0, 0.9950)])
    assert "missed" in benchmark.row("kaggle_bn", [result("kaggle_bn", 0, 0.99499)])


def test_a_run_that_fails_is_told_and_not_kept(benchmark, capsys):
    benchmark.code = 130
    assert benchmark.run("valid_conv", "--seed", "0") == 1
    assert capsys.readouterr().err.startswith("valid_conv, seed 0: ended with exit code 130\n")
    assert benchmark.read() == []


def test_a_readme_without_markers_is_left_alone(benchmark, capsys):
    benchmark.README.write_text("nothing here\n")
    benchmark.run("--table")
    assert benchmark.README.read_text() == "nothing here\n"
    assert "README.md has no lines <!-- recipes:begin --> and <!-- recipes:end -->" in capsys.readouterr().err
