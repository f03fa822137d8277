"""Command lines: what is wrong with one is said in one line, with the nearest word that would be right."""

import argparse
import re
import textwrap
from typing import Any, NoReturn

from minicnn.errors import nearest


def folded(text: str, width: int) -> str:
    """The text in lines of at most `width` columns, if it has longer ones: paragraphs are filled anew.

    An unindented line goes on in the next one, unless it ends a sentence. An explanation that two spaces part from what
    it explains stays in its column, or comes below. Commands stay whole: they are there to be copied.
    """
    lines = text.splitlines()
    if all(len(line) <= width for line in lines):
        return text
    found: list[str] = []
    while lines:
        line = lines.pop(0)
        while line[:1].strip() and not line.endswith((".", ":")) and lines and lines[0][:1].strip():
            line += f" {lines.pop(0)}"
        table = re.match(r"( +)(\S.*?) +(?<=  )(?=\S)", line)
        if len(line) <= width or (line.startswith(("example: ", "    ")) and not table):
            found.append(line)
            continue
        column = table.end() if table else 0
        if table and column > width / 2:
            found.append(table[1] + table[2])
            column, line = len(table[1]) + 4, " " * (len(table[1]) + 4) + line[column:]
        found += textwrap.wrap(line, width, subsequent_indent=" " * column, break_long_words=False,
                               break_on_hyphens=False)  # fmt: skip
    return "\n".join(found)


class Folding(argparse.RawDescriptionHelpFormatter):
    """argparse's, for descriptions and examples whose lines are kept where the terminal is wide enough for them."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return textwrap.indent(folded(text, width - len(indent)), indent)


class Parser(argparse.ArgumentParser):
    """argparse's, whose errors are one line and guess what was meant; a description keeps its lines."""

    def __init__(self, *, formatter_class: Any = Folding, **options: Any):
        super().__init__(formatter_class=formatter_class, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}{self._meant(message)}; --help lists the options\n")

    def _meant(self, message: str) -> str:
        """ "; did you mean "--epochs"?" for a flag or a choice that is nearly one; "" for anything else."""
        choice = re.search(r"argument (\S+): invalid choice: '([^']*)'", message)
        if choice:
            flags = choice[1].split("/")
            known = next((a.choices for a in self._actions if a.choices and set(flags) & {*a.option_strings}), ())
            word, known = choice[2], [str(one) for one in known]
        else:
            unknown = re.match(r"unrecognized arguments: (?:.* )?(--[^\s=]+)", message)
            word, known = unknown[1] if unknown else "", [flag for flag in self._option_string_actions if flag != "-h"]
        said = nearest(word, known) if len(word) > 3 else ""  # gpu is not nearly cpu
        return f"; {said}" if said else ""
