"""The policy on skipped tests: a skip that should not happen is a failure."""

import pytest

pytest_plugins = ["pytester"]

CONFTEST = "from tests.conftest import pytest_make_collect_report, pytest_runtest_makereport  # noqa"
TESTS = """
import pytest

@pytest.mark.parity
def test_marked():
    pytest.importorskip("a_package_that_is_not_there")

def test_other():
    pytest.skip("something else")
"""
MODULE = "import pytest\npytest.importorskip('a_package_that_is_not_there')\ndef test_never(): pass"


@pytest.mark.parametrize(
    ("environment", "failed", "skipped"),
    [
        ({}, 0, 2), ({"MINICNN_REQUIRE": "parity"}, 1, 1), ({"MINICNN_REQUIRE": "data, parity"}, 1, 1),
        ({"MINICNN_REQUIRE": "data"}, 0, 2), ({"CI": "true"}, 0, 2), ({"CI": "true", "MINICNN_DATA": "/data"}, 0, 2),
    ],
)  # fmt: skip
def test_a_required_test_may_not_skip(pytester, monkeypatch, environment, failed, skipped):
    for name in ("MINICNN_REQUIRE", "CI", "MINICNN_DATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    pytester.makeini("[pytest]\nmarkers = parity\n")
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=failed, skipped=skipped)
    if failed:
        result.stdout.fnmatch_lines(["*skipped although MINICNN_REQUIRE or CI requires parity: *could not import*"])


def test_ci_with_data_requires_data_tests(pytester, monkeypatch):
    monkeypatch.delenv("MINICNN_REQUIRE", raising=False)
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("MINICNN_DATA", "/data")
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile("import pytest\ndef test_files(): pytest.skip('MINICNN_DATA names no folder with mnist/')")
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(failed=1)


@pytest.mark.parametrize(("require", "outcome"), [("parity", {"errors": 1}), ("", {"skipped": 1})])
def test_a_folder_speaks_for_a_file_that_skips_itself(pytester, monkeypatch, require, outcome):
    monkeypatch.setenv("MINICNN_REQUIRE", require)
    pytester.makeconftest(CONFTEST)
    folder = pytester.mkdir("parity")
    (folder / "test_module.py").write_text(MODULE)
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(**outcome)


SLOW = """
import pytest

@pytest.mark.slow
@pytest.mark.parametrize("k", range(3))
def test_slow(k): pass

@pytest.mark.slow
@pytest.mark.parity
def test_slow_parity(): pass

@pytest.mark.parity
def test_parity(): pass

def test_fast(): pass
"""
HOOKS = "pytest_deselected, pytest_sessionfinish, pytest_terminal_summary, pytest_testnodedown"


@pytest.mark.parametrize(
    ("processes", "chosen", "passed", "said"),
    [(0, (), 1, ["4 slow", "1 comparisons"]), (0, ("-m", "slow"), 4, []), (0, ("-m", "not slow"), 2, ["4 slow"]),
     (0, ("-m", ""), 6, []), (2, (), 1, ["4 slow", "1 comparisons"])],
)  # fmt: skip
def test_plain_pytest_leaves_out_what_is_slow_and_says_so(pytester, processes, chosen, passed, said):
    pytester.makeini("[pytest]\nmarkers =\n  slow\n  parity\naddopts = -m 'not slow and not parity'\n")
    pytester.makeconftest(f"from tests.conftest import {HOOKS}  # noqa")
    pytester.makepyfile(SLOW)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-n", str(processes), *chosen)
    result.assert_outcomes(passed=passed, deselected=0 if processes else 6 - passed)
    lines = [line for line in result.outlines if line.startswith("left out: ")]
    assert [" ".join(line.split()[2:4]) for line in lines] == said
