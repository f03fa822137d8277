"""benchmarks/README.md: every program has its row."""

import re
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "benchmarks"


def test_every_program_has_a_row_and_every_row_a_program():
    programs = {path.name for path in FOLDER.glob("*.py") if '__name__ == "__main__"' in path.read_text("utf-8")}
    rows = re.findall(r"^\|(.*?)\|", (FOLDER / "README.md").read_text("utf-8"), re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+\.py)`", row)} == programs
