"""What pytest prints while the suite runs: what is being tested, and how far it is.

      core         the tape, gradients by hand and by differences, backends, messages
      core         310 passed                                                          9 %    12 s
      kernels      every kernel of every set against its definition
      kernels      1,200 of 2,480: test_contract.py                                   41 %   1:02

A section is a folder of tests/, in the words of its __init__.py; files beside the folders are the section "package".
On a terminal the line of what is running is redrawn in place; elsewhere one is written every PAUSE seconds. With -v
pytest's own lines take the place of these. With several processes (pytest-xdist) sections run side by side.
"""

import ast
from pathlib import Path
from time import perf_counter

import pytest

TESTS = Path(__file__).parent
PAUSE = {True: 0.2, False: 10.0}  # s between two lines of what is running: on a terminal, elsewhere
REST = "package"


def section_of(nodeid: str) -> str:
    parts = nodeid.partition("::")[0].split("/")
    return parts[1] if len(parts) > 2 and parts[0] == "tests" else REST


def title_of(section: str, tests: Path = TESTS) -> str:
    """What a section is about: the first line of its docstring."""
    file = tests / ("" if section == REST else section) / "__init__.py"
    text = ast.get_docstring(ast.parse(file.read_text("utf-8"))) if file.is_file() else None
    return text.splitlines()[0] if text else ""


def clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    return f"{minutes}:{seconds:02d}" if minutes else f"{seconds} s"


class Sections:
    """A plugin of pytest: letters give way to lines that name what they count."""

    def __init__(self, config):
        self.config, self.began = config, perf_counter()
        self.planned: dict[str, int] = {}
        self.counts: dict[str, dict[str, int]] = {}
        self.next = 0.0

    @property
    def terminal(self):
        return self.config.pluginmanager.get_plugin("terminalreporter")

    def pytest_collection_finish(self, session):
        self.plan([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node, ids):
        self.plan(ids)  # the same of every process

    def plan(self, nodeids) -> None:
        if not self.planned and not self.config.option.collectonly:
            for nodeid in nodeids:
                section = section_of(nodeid)
                self.planned[section] = self.planned.get(section, 0) + 1
            self.next = perf_counter() + PAUSE[self.live]

    @property
    def live(self) -> bool:
        return bool(self.terminal.isatty)

    @pytest.hookimpl(wrapper=True)
    def pytest_report_teststatus(self, report):
        category, letter, word = yield
        return category, letter and "", word

    def pytest_runtest_logreport(self, report):
        section = section_of(report.nodeid)
        if section not in self.counts:
            self.counts[section] = {}
            if title := title_of(section):
                self.say(section, title)
        if report.failed:
            self.say("FAILED" if report.when == "call" else "ERROR", report.nodeid)
        outcome = "failed" if report.failed else "skipped" if report.skipped else "passed"
        counts = self.counts[section]
        if report.when == "call" or report.outcome != "passed":
            counts[outcome] = counts.get(outcome, 0) + 1
        if report.when == "teardown":
            counts["done"] = counts.get("done", 0) + 1
            if counts["done"] == self.planned.get(section):
                said = ", ".join(f"{n:,} {what}" for what, n in sorted(counts.items()) if what != "done")
                self.say(section, said, measured=True)
            elif perf_counter() >= self.next:
                file = report.nodeid.partition("::")[0].rpartition("/")[2]
                text = f"{counts['done']:,} of {self.planned.get(section, 0):,}: {file}"
                self.say(section, text, measured=True, passing=True)

    def say(self, head: str, text: str, *, measured: bool = False, passing: bool = False) -> None:
        """A line; `measured`: with how much is done; `passing`: it says what is running."""
        line = f"{head:12s} {text}"
        if measured:
            done = sum(counts.get("done", 0) for counts in self.counts.values())
            share = f"{100 * done // max(sum(self.planned.values()), 1)} %"
            line = f"{line:80s} {share:>5s} {clock(perf_counter() - self.began):>7s}"
        self.next = perf_counter() + PAUSE[self.live]
        if passing and self.live:
            self.terminal.rewrite(line[: self.terminal._tw.fullwidth - 1], erase=True)
        elif self.live:
            self.terminal.rewrite("", erase=True)
            self.terminal._tw.write("\r")
            self.terminal.write_line(line)
        else:
            self.terminal.write_line(line)
