"""The list of planted mistakes fits the code, and its runner tells found ones from others."""

import pytest

from tests.mutations import MUTATIONS, Mutation, main, out_of_step, planted

SUBSYSTEMS = {"numpy_ref", "numba_cpu", "cuda", "ops", "core", "layers", "losses", "metrics", "initializers",
              "optimizers", "training", "inference", "captured", "callbacks", "data", "augment", "download", "io",
              "saving", "loading", "reports", "doctor", "backend", "recipes"}  # fmt: skip


@pytest.mark.slow
def test_every_mutation_can_be_planted():
    """When this fails, code has moved: say in tests/mutations.py where the line is now. Nothing else is wrong."""
    assert out_of_step() == []


def test_those_that_can_be_planted_are_many_and_of_every_subsystem():
    assert len({m.name for m in MUTATIONS}) == len(MUTATIONS)
    names = [m.name for m in MUTATIONS if not out_of_step([m])]
    assert len(names) >= 60
    assert {name.partition(":")[0] for name in names} >= SUBSYSTEMS


TESTS = """
from code_ import twice

def test_two():
    assert twice(2) == 4

def test_broken():
    assert not twice
"""


@pytest.fixture
def tree(tmp_path):
    """A checkout of one function and its test."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_twice.py").write_text(TESTS)
    (tmp_path / "code_.py").write_text("def twice(x):\n    return x + x\n")
    return tmp_path


@pytest.mark.parametrize(
    ("new", "tests", "outcome"),
    [
        ("return x + 1", "-k two", "found"),
        ("return x * 2", "-k two", "survived"),
        ("return x + 1", "-k broken", "error"),  # it fails without the mutation as well
        ("return x + 1", "-k nothing", "error"),
    ],
)
def test_a_mutation_is_found_when_a_test_fails_because_of_it(tree, new, tests, outcome):
    mutation = Mutation("a", "code_.py", "return x + x", new, f"tests/test_twice.py {tests}")
    before = (tree / "code_.py").read_text()
    found = planted(mutation, tree)
    assert found["outcome"] == outcome
    assert (tree / "code_.py").read_text() == before
    if outcome == "found":
        assert found["by"] == "tests/test_twice.py::test_two"
        assert planted(mutation, tree, first=found["by"])["outcome"] == "found"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"file": "gone.py"}, "a: expected the file gone.py, received none; say where"),
        ({"old": "return y"}, "a: expected 'return y' once in code_.py, received 0; say what stands there now"),
        ({"old": "x"}, "a: expected 'x' once in code_.py, received 3"),
        ({"new": "return x + x"}, "a: expected a change of one line"),
        ({"new": "return x +"}, "a: expected code, received invalid syntax"),
        ({"tests": "tests/test_gone.py"}, "a: expected the tests tests/test_gone.py, received no such file"),
    ],
)
def test_a_mutation_out_of_step_is_named(tree, change, said):
    mutation = Mutation("a", "code_.py", "return x + x", "return x", "tests/test_twice.py")
    assert out_of_step([mutation], tree) == []
    (line,) = out_of_step([mutation._replace(**change)], tree)
    assert line.startswith(said)


def test_the_command_says_what_is_out_of_step(tree, capsys):
    assert main(["--check", "losses", "--tree", str(tree)]) == 1
    assert "out of step  losses: " in capsys.readouterr().out
    assert main(["--check", "nothing has such a name"]) == 0
