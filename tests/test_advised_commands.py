"""Every command that a text of ours advises, parsed: the file, the command, the flag and the extra are there.

Texts are the documents and what stands in the sources between quotes: messages, --help, docstrings.
"""

import ast
import functools
import re
import tomllib
from itertools import chain, pairwise, takewhile
from pathlib import Path
from typing import NamedTuple

import pytest

from minicnn.__main__ import COMMANDS
from minicnn.backend import gpu_report
from minicnn.commands import look, options, report

ROOT = Path(__file__).parents[1]
PROJECT, TOOL = (tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))[part] for part in ("project", "tool"))
EXTRAS = PROJECT["optional-dependencies"]
# What may be installed by name: what we depend on, and for a program that says so atheris. `minicnn` is a stranger.
NEEDED = {re.match(r"[\w-]+", line)[0] for line in chain(PROJECT["dependencies"], *EXTRAS.values())}
NAMES = NEEDED | {"atheris", "cupy-cuda12x", "cupy-cuda13x", "nvidia-cuda-nvrtc", "keras", "kaggle"}
DOCUMENTS = [str(path.relative_to(ROOT)) for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("*/*.md")])]
FOLDERS = ("minicnn", "kernels", "examples", "benchmarks")
TRAINING = {"train": "kaggle_bn", "recipe": None,
            "examples/train_kaggle.py": "kaggle_bn", "examples/train_recipe.py": None}  # fmt: skip
NAMED = "train|recipe|doctor|predict|summary|plan|gradcheck|explain|report"  # words that a sentence may go on with
START = re.compile(rf"pip install(?= )|python -m minicnn(?= )|(?<![\w./])minicnn(?= (?:{NAMED})\b)|"
                   r"python3? (?:\./)?(?=(?:examples|benchmarks)/)|python3? (?=[\w/]+\.py\b)|"
                   r"pytest(?= (?:tests/|-[km] ))|python -m (?=tests\.)")  # fmt: skip
WORD = re.compile(r""" +("[^"\n]*"|'[^'\n]*'|[^\s`"',;:()#|&]+)""")


class Command(NamedTuple):
    place: str
    start: str
    words: list[str]


@functools.cache
def texts() -> list[tuple[str, str]]:
    """(where, text), read once: to parse every source takes seconds."""
    documents = [(name, (ROOT / name).read_text("utf-8")) for name in [*DOCUMENTS, ".ci/run"]]
    return documents + [(str(path.relative_to(ROOT)), text) for folder in FOLDERS
                        for path in sorted((ROOT / folder).rglob("*.py")) for text in _quoted(path)]  # fmt: skip


def _quoted(path: Path):
    """Every string of a source; of an f-string the whole, with {} where values go."""
    parts = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):  # an f-string comes before its parts
        if isinstance(node, ast.JoinedStr):
            parts.update(node.values)
            yield "".join(getattr(part, "value", "") if isinstance(part, ast.Constant) else "{}"
                          for part in node.values)  # fmt: skip
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in parts:
            yield node.value


def find(place: str, text: str):
    """The commands in a text: from the words that start one to the end of the line, a comment, or prose."""
    for line in text.splitlines():
        for start in START.finditer(line):
            rest, words = " " + line[start.end() :].lstrip(" "), []
            while (word := WORD.match(rest)) and not word[0].startswith("   ") and word[1] != "...":
                words.append(word[1])
                rest = rest[word.end() :]
            yield Command(place, start[0].strip(), [word.strip("\"'") for word in words])


def wrong(command: Command) -> str | None:
    """What is wrong with a command, None if nothing is."""
    place, start, words = command
    if start == "pip install":
        return wrong_install(words)
    if start == "pytest":
        return wrong_pytest(words)
    if start == "python -m":
        return None if (ROOT / f"{words[0].replace('.', '/')}.py").is_file() else f"no module {words[0]}"
    program, words = words[0].rstrip("."), words[1:]
    if program == "COMMAND":
        return None  # any of them
    if start in ("python -m minicnn", "minicnn"):
        if program not in COMMANDS and program != "COMMAND":
            return f"no command {program}"
    elif not any((base / program).is_file() for base in (ROOT, (ROOT / place).parent)):
        return f"no file {program}"
    flags = [word.split("=")[0].rstrip(".") for word in words if word.startswith("--")]
    if program in TRAINING:
        if not words:
            return None  # the program's name alone
        if any(word.isupper() for word in words):  # --data DIR
            known = options.parser("", "", TRAINING[program])._option_string_actions
            return next((f"no flag {flag}" for flag in flags if flag not in known), None)
        try:
            options.parser("", "", TRAINING[program]).parse_args(cut_prose(words))
        except SystemExit as stopped:
            return None if stopped.code == 0 else f"{program} refuses {words}"
        return None
    if program in look.COMMANDS:
        known = look.parser(program)._option_string_actions
        return next((f"no flag {flag}" for flag in flags if flag not in known), None)
    if program == "report":
        known = report.parser()._option_string_actions
        return next((f"no flag {flag}" for flag in flags if flag not in known), None)
    if program == "doctor":
        return next((f"no flag {flag}" for flag in flags if flag != "--device"), None)
    source = (ROOT / program if (ROOT / program).is_file() else (ROOT / place).parent / program).read_text("utf-8")
    return next((f"no flag {flag}" for flag in flags if f'"{flag}"' not in source), None)


def cut_prose(words: list[str]) -> list[str]:
    """Without what follows the command in its sentence: `python -m minicnn train looks for ...`."""
    flag = next((n for n, word in enumerate(words) if word.startswith("--")), len(words))
    return words[: 1 if words and words[0] in options.BY_NAME else 0] + words[flag:]


def wrong_install(words: list[str]) -> str | None:
    if any("{}" in word for word in words) or not words:
        return None  # filled in where it is said: see test_lines_that_are_put_together
    for n, word in enumerate(words):
        if word in ("-e", "-U", "--force-reinstall", "."):
            continue
        name, extras = re.fullmatch(r"([\w./-]*)(?:\[([\w,]+)\])?(?:[<>=]=?[\w.+]+)?(?:\.)?", word).groups()
        if name.startswith((".", "dist/")):
            unknown = set(filter(None, (extras or "").split(","))) - set(EXTRAS)
            if unknown:
                return f"no extra {unknown}"
        elif name not in NAMES:
            return f"installs {name}" if n == 0 or words[n - 1].startswith("-") or word[0] in "\"'" else None
    return None


def wrong_pytest(words: list[str]) -> str | None:
    """Folders and files that are not there, a -k that no test's name or file holds, a -m that is no marker."""
    paths = list(takewhile(lambda word: word.startswith("tests/"), words)) or ["tests"]
    missing = [path for path in paths if not (ROOT / path.partition("::")[0]).exists()]
    if missing:
        return f"no file {missing[0]}"
    options = dict(pairwise(words))
    markers = {line.partition(":")[0] for line in TOOL["pytest"]["ini_options"]["markers"]}
    unknown = set(re.findall(r"\w+", options.get("-m", ""))) - markers - {"and", "not", "or"}
    if unknown:
        return f"no marker {unknown}"
    found = [ROOT / path for path in paths]
    files = [file for path in found for file in ([path] if path.is_file() else path.rglob("test_*.py"))]
    names = "\n".join("\n".join([f.name, *re.findall(r"def (test_\w+)", f.read_text("utf-8"))]) for f in files)
    absent = [w for w in re.findall(r"\w+", options.get("-k", "")) if w not in ("and", "not", "or") and w not in names]
    return f"no test {absent[0]}" if absent else None


def test_the_search_sees_commands():
    found = [command for place, text in texts() for command in find(place, text)]
    assert len(found) > 40
    assert Command("README.md", "pip install", ["-e", ".[test]"]) in found
    starts = {(command.start, command.words[0]) for command in found if command.words}
    assert ("python", "examples/train_kaggle.py") in starts
    assert ("python -m minicnn", "doctor") in starts


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('pip install "minicnn[cuda13]"', "installs minicnn"), ('pip install -e ".[cuda14]"', "no extra {'cuda14'}"),
        ("python examples/train_kagle.py", "no file examples/train_kagle.py"),
        ("python -m minicnn tain", "no command tain"), ("minicnn doctor --devise x", "no flag --devise"),
        ("python examples/train_kaggle.py --epoch many", "examples/train_kaggle.py refuses ['--epoch', 'many']"),
        ("python benchmarks/compare.py --nothing", "no flag --nothing"),
        ("pip install tensorflow", "installs tensorflow"), ("pytest tests/non", "no file tests/non"),
        ("pytest -m 'slow and none'", "no marker {'none'}"),
        ("pytest tests/ops -k 'conv or nothing'", "no test nothing"),
        ("python -m tests.mutation", "no module tests.mutation"), ("pytest tests/ops -k 'not conv'", None),
        ("pip install -e . && python examples/train_kaggle.py --limit 5000  # a rehearsal", None),
        ("run `python -m minicnn doctor`, which says why", None), ("pip install -U 'cupy-cuda13x[ctk]'", None),
    ],
)  # fmt: skip
def test_the_check_can_fail(text, fault):
    faults = [wrong(command) for command in find("README.md", text)]
    assert faults
    assert next(filter(None, faults), None) == fault


def test_every_advised_command_exists():
    found = [command for place, text in texts() for command in find(place, text)]
    assert len({command.place for command in found}) > 50
    faults = {(c.place, c.start, *c.words): wrong(c) for c in found}
    assert {command: fault for command, fault in faults.items() if fault} == {}


def test_lines_that_are_put_together():
    for driver in ({}, {"cuda": (12, 4)}, {"cuda": (13, 0)}):
        (command,) = find("", gpu_report.install({"driver": driver}))
        assert wrong(command) is None
        wheel = re.match(r"[\w-]+", command.words[1])[0]
        assert any(line.startswith(wheel) for line in EXTRAS["cuda12"] + EXTRAS["cuda13"])


def test_no_text_installs_the_strangers_package():
    for place, text in texts():
        installs = re.findall(r"pip install[^\n]*[\"' ]minicnn(?!-engine)\b(?!/)", re.sub(r"(?<=\S)  .*", "", text))
        assert not installs, place
