"""Every command of the README's section "With other tools", as it stands there, but for the pip install before it."""

import os
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECTION = (ROOT / "README.md").read_text("utf-8").partition("## With other tools\n")[2].partition("\n## ")[0]
COMMANDS = re.findall(r"^(?:pip install -e \"\.\[(\w+)\]\" && )?python (examples/.*?)(?:  +#.*)?$", SECTION, re.M)
PACKAGE = {"": "numpy", "onnx": "onnxruntime", "tensorboard": "tensorboardX", "trackers": "trackio",
           "datasets": "datasets", "torch": "torch"}  # fmt: skip
SAYS = {"scikit_learn": r"^accuracy 0\.[89]", "export_onnx": r'"int8": {"bytes": \d+, "accuracy": 0\.[89]',
        "tensorboard": r"^tensorboard --logdir runs/logs$", "trackio": "^trackio show$",
        "hugging_face": r"^batches: accuracy 0\.[89]", "torch_dataloader": r"^accuracy 0\.[89]"}  # fmt: skip


def marks(extra):
    return [pytest.mark.slow, pytest.mark.torch if extra == "torch" else pytest.mark.tools]


def test_the_section_has_its_commands():
    assert len(COMMANDS) == len(SAYS) == SECTION.partition("```\n\n")[0].count("python ")
    assert [extra for extra, _ in COMMANDS] == list(PACKAGE)


@pytest.mark.parametrize(
    ("extra", "command"), [pytest.param(*one, marks=marks(one[0]), id=one[1].partition("/")[2]) for one in COMMANDS]
)
def test_a_command(extra, command, tmp_path):
    if not find_spec(PACKAGE[extra]):
        pytest.skip(f'needs the package {PACKAGE[extra]}: pip install -e ".[{extra}]"')
    script, *given = shlex.split(command)
    env = os.environ | {"PYTHONPATH": str(ROOT), "TRACKIO_DIR": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    line = [sys.executable, str(ROOT / script), *given]
    done = subprocess.run(line, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    (wanted,) = [words for name, words in SAYS.items() if name in command]
    assert re.search(wanted, done.stdout, re.M), done.stdout
