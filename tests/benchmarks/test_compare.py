"""compare.py without a clock: statistics, statements, tables, the JSON, and what happens when a contestant fails."""

import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def programs():
    """The modules of benchmarks/, which import each other by their bare names."""
    sys.path.insert(0, str(FOLDER))
    before = set(sys.modules)
    try:
        import compare
        import peers
        import report

        yield types.SimpleNamespace(compare=compare, peers=peers, report=report)
    finally:
        sys.path.remove(str(FOLDER))
        for name in set(sys.modules) - before:  # their names are short and could be somebody else's
            if FOLDER in Path(getattr(sys.modules[name], "__file__", None) or "/").parents:
                del sys.modules[name]


def contestant(report, ours=False, valid=True, **medians):
    measures = {key.replace("__", ":"): report.spread([value]) for key, value in medians.items()}
    return {"ours": ours, "valid": valid, "measures": measures, "versions": {"x": "1"}, "losses": {}}


@pytest.fixture
def networks(programs):

    def make(**how):
        return contestant(programs.report, **how)

    a = {
        "minicnn": make(ours=True, train=0.02, train__generator=0.022, augment__generator=0.001, peak_memory=3e8,
                        predict__1000=0.5),
        "minicnn-haswell": make(ours=True, train=0.001),
        "keras-tensorflow": make(train=0.07, train__generator=0.08, train__layers=0.09, augment__generator=0.01,
                                 peak_memory=9e8, predict__1000=1.0),
        "torch": make(train=0.06, train__grid_sample=0.066, predict__1000=0.8),
        "torch-compile": make(train=0.03, valid=False),
    }  # fmt: skip
    return {"A": {"recipe": "kaggle_bn", "batch_size": 86, "steps": 12, "predicted": 5000,
                  "failed": {"keras-jax": "OSError: gone"},
                  "peers": a}}  # fmt: skip


def by_work(lines, start):
    return next(line for line in lines if line.work.startswith(start))


def test_spread(programs):
    found = programs.report.spread([4.0, 1.0, 3.0, 2.0, 100.0])
    assert (found["min"], found["q1"], found["median"], found["q3"], found["max"]) == (1, 2, 3, 4, 100)
    assert found["samples"] == [4.0, 1.0, 3.0, 2.0, 100.0]


def test_the_fastest_valid_foreign_contestant_is_the_measure(programs, networks):
    lines = programs.report.lines(networks)
    plain = by_work(lines, "A, train, no")  # neither the invalid torch-compile nor the other minicnn
    assert (plain.peer, plain.ratio, plain.verdict) == ("torch", pytest.approx(3.0), "met")
    moved = by_work(lines, "A, train, augmentation, fastest")
    assert (moved.peer, moved.ratio) == ("torch, grid_sample", pytest.approx(3.0))
    documented = by_work(lines, "A, train, augmentation, documented")
    assert (documented.peer, documented.theirs) == ("keras-tensorflow", 0.08)
    assert by_work(lines, "A, predict, batch").verdict == "**missed**"
    assert by_work(lines, "A, augmentation alone").ratio == pytest.approx(10)
    assert by_work(lines, "A, peak memory of training, Keras on").verdict == "met"  # three times less


def test_a_target_is_not_rounded(programs):
    line = programs.report.Line("w", "p", 2.699, 1.0, 2.699, 2.7, 3.5)
    assert line.verdict == "**missed**"
    assert line._replace(ratio=2.7).verdict == "met"
    assert line._replace(ratio=3.5).verdict == "met (stretch)"
    assert line._replace(target=None).verdict == ""


def test_no_statement_about_an_invalid_or_missing_minicnn(programs, networks):
    networks["A"]["peers"]["minicnn"]["valid"] = False
    assert not [line for line in programs.report.lines(networks) if line.target and line.peer != "the limit"]
    del networks["A"]["peers"]["minicnn"]
    assert programs.report.lines(networks) == []


def test_markdown_names_failures_invalid_rows_and_a_busy_machine(programs, networks):
    report = programs.report
    result = {"machine": {"cpu": "CPU", "cores": 2}, "date": "2030-01-02T", "commit": "abc", "networks": networks,
              "options": {"rounds": "6"}, "idle": False,
              "lines": [line._asdict() for line in report.lines(networks)]}  # fmt: skip
    result = json.loads(json.dumps(result))  # as --reuse reads it
    text = report.markdown(result)
    assert "not idle" in text
    assert "| Keras on JAX | failed: OSError: gone |" in text
    assert "`torch.compile` (INVALID)" in text
    assert "| A, train, no augmentation | torch | 60 ms | 20 ms | **3.00** | 2.7 (3.5) | met |" in text
    assert "| **minicnn** | none | 20.0 | 20.0 to 20.0 | 10,000 | 300 |" in text
    widths = {line.count("|") for line in text.splitlines() if line.startswith("| A, ")}
    assert widths == {8}


def test_the_readme_keeps_what_is_outside_the_markers(programs, tmp_path):
    report, path = programs.report, tmp_path / "README.md"
    path.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.write_between_markers(path, "new")
    report.write_between_markers(path, "newer")
    assert path.read_text() == f"before\n{report.BEGIN}\nnewer\n{report.END}\nafter\n"
    path.write_text("no markers")
    with pytest.raises(ValueError, match="expected one line <!-- compare:begin -->"):
        report.write_between_markers(path, "new")
    assert path.read_text() == "no markers"


class Fake:
    """A contestant that answers at once; `torch` breaks in its second training request."""

    def __init__(self, name, python, settings):
        self.name, self.began, self.asked = name, 0.0, 0
        self.about, self.peak_memory, self.closed = {"versions": {}, "threads": "", "ways": []}, 5, False

    def ask(self, what, **how):
        self.asked += 1
        assert not self.closed, "asked after it had failed"
        if self.name == "torch" and self.asked == 3:
            import peers

            self.closed = True
            said = "torch: Traceback\nKeyError: 'cause'\nTraceback\nRuntimeError: out of luck\nSee https://example.org"
            raise peers.PeerError(said)
        if what == "train":
            return [0.01, 0.5]
        return [1.0, 2.0 if self.name != "keras-jax" else 2.1] if what == "agree" else 1.0

    def close(self):
        self.closed = True


def test_a_failing_contestant_is_reported_and_the_others_go_on(programs, monkeypatch, tmp_path):
    compare = programs.compare
    monkeypatch.setattr(compare, "Peer", Fake)
    monkeypatch.setattr(compare, "PAUSE", 0)
    monkeypatch.setattr(compare, "import_seconds", lambda name, python: 0.1)
    out = tmp_path / "compare.json"
    names = ["minicnn", "torch", "keras-jax", "keras-tensorflow"]
    options = ["--rounds", "2", "--networks", "A", "--out", str(out), "--peers", *names]
    monkeypatch.setattr(sys, "argv", ["compare", *options])
    assert compare.main() == 1
    network = json.loads(out.read_text())["networks"]["A"]
    assert network["failed"] == {"torch": "RuntimeError: out of luck"}
    assert {name: peer["valid"] for name, peer in network["peers"].items()} == {
        "minicnn": True, "torch": False, "keras-jax": False, "keras-tensorflow": True}  # fmt: skip
    assert len(network["peers"]["minicnn"]["measures"]["train"]["samples"]) == 2
    measures = network["peers"]["minicnn"]["measures"]
    assert measures["peak_memory"]["median"] == 5
    assert len(measures["start"]["samples"]) == len(measures["import"]["samples"]) == 3


def test_samples_take_everyone_as_long(programs):
    contest = programs.compare.Contest([], {}, {})
    assert contest.steps("torch", "train", 12) == 12  # nothing is known yet
    contest.pace = {("fast", "train"): 0.05, ("slow", "train"): 0.4, ("tiny", "train"): 1e-4}
    assert [contest.steps(name, "train", 12) for name in ("fast", "slow", "tiny")] == [30, 12, 48]


def test_who_decides_no_ratio_is_sampled_less(programs):
    contest = programs.compare.Contest([], {}, {})
    contest.samples = {
        "minicnn": {"train": [9.0] * 3, "predict:200": [9.0] * 3},
        "keras-tensorflow": {"train": [1.4] * 3, "train:generator": [2.0] * 3, "train:layers": [1.2]},
        "keras-jax": {"train": [2.0, 1.6, 1.7], "train:generator": [1.6], "train:layers": [2.0], "predict:1000": [1.0]},
        "torch": {"train": [1.2, 1.0, 1.1], "train:grid_sample": [1.0], "predict:200": [1.0]},
    }
    enough = {(name, key) for name, own in contest.samples.items() for key in own if contest.enough(name, key)}
    assert enough == {("keras-jax", "train"), ("keras-jax", "train:layers")}
    contest.samples["keras-jax"]["train"] = [1.6, 1.7]
    contest.samples["keras-jax"]["train:generator"] = [1.6, 1.6, 1.6]
    enough = {(name, key) for name, own in contest.samples.items() for key in own if contest.enough(name, key)}
    assert enough == {("keras-jax", "train:generator"), ("keras-jax", "train:layers")}
    assert not contest.enough("keras-tensorflow", "augment:layers"), "of which there is no sample"


def test_a_missing_library_has_a_last_line(programs, tmp_path):
    with pytest.raises(programs.peers.PeerError) as found:
        programs.peers.Peer("torch", sys.executable, {"data": str(tmp_path / "none"), "recipe": "kaggle_bn"})
    assert "Error" in found.value.reason
    assert "\n" not in found.value.reason


def test_the_problem_holds_enough_rows_for_every_request(programs, tmp_path):
    import minicnn

    recipe = minicnn.recipes.lenet_16_36
    settings = programs.compare.problem(tmp_path, recipe, steps=4)
    with np.load(settings["data"]) as data:
        assert (
            len(data["images"])
            == len(data["y"])
            >= (4 * programs.compare.MOST + programs.compare.EXTRA) * recipe.batch_size
        )
        assert data["images"].dtype == np.uint8
        assert [data[f"w{i}"].shape for i in range(2)] == [(5, 5, 1, 16), (16,)]
        assert settings["weights"] == 8
