"""The lessons as notebooks, made from their py:percent cells.

    python examples/lessons/notebooks.py                writes NAME.ipynb beside this file
    python examples/lessons/notebooks.py --out DIR      or elsewhere
"""

import json
from pathlib import Path

from minicnn.commands.parser import Parser
from minicnn.io import atomic_write

HERE = Path(__file__).parent
LESSONS = ("convolution", "gradient", "im2col", "winograd", "program")
MARK, TEXT = "# %%", "# %% [markdown]"


def cells(source: str) -> list[dict]:
    """Jupyter's cells of a py:percent file: text loses its comment signs."""
    found: list[tuple[bool, list[str]]] = []
    for line in source.splitlines():
        if line.startswith(MARK):
            found.append((line == TEXT, []))
        elif found:
            found[-1][1].append(line)
    made = []
    for number, (is_text, lines) in enumerate(found):
        body = "\n".join(line.removeprefix("#").removeprefix(" ") if is_text else line for line in lines).strip()
        cell = {"id": f"cell-{number}", "metadata": {}, "source": body.splitlines(keepends=True)}
        made.append({"cell_type": "markdown", **cell} if is_text else
                    {"cell_type": "code", "execution_count": None, "outputs": [], **cell})  # fmt: skip
    return made


def notebook(name: str) -> dict:
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    source = (HERE / f"{name}.py").read_text("utf-8")
    return {"cells": cells(source), "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def main(argv: list[str] | None = None) -> int:
    parser = Parser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE, metavar="DIR", help="default: beside the lessons")
    folder = parser.parse_args(argv).out
    folder.mkdir(parents=True, exist_ok=True)
    for name in LESSONS:
        with atomic_write(folder / f"{name}.ipynb", text=True) as file:
            json.dump(notebook(name), file, indent=1)
            file.write("\n")
        print(f"wrote {folder / f'{name}.ipynb'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
