"""Command lines: what is wrong with one is said in one line, with the nearest word that would be right."""

import argparse
import re
from typing import Any

from minicnn.errors import nearest


class Parser(argparse.ArgumentParser):
    """argparse's, whose errors are one line and guess what was meant; a description keeps its lines."""

    def __init__(self, *, formatter_class: Any = argparse.RawDescriptionHelpFormatter, **options: Any):
        super().__init__(formatter_class=formatter_class, **options)

    def error(self, message):
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
