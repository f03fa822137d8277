"""Ranks on two hosts: network namespaces with a cable between them, where the system permits such."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "two_hosts.py"
NOT_PERMITTED = 77  # its exit code


@pytest.mark.slow
@pytest.mark.hosts
def test_two_hosts():
    done = subprocess.run([sys.executable, str(PROGRAM)], text=True, capture_output=True, timeout=300)
    if done.returncode == NOT_PERMITTED:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "byte-equal" in done.stdout


def test_what_is_missing_is_said():
    """Without MPI the program says so in one line, with an exit code of its own."""
    program = f"""
import importlib.util, runpy, sys
sys.path.insert(0, {str(PROGRAM.parent)!r})
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "mpi4py" else find(name, *rest)
runpy.run_path({str(PROGRAM)!r}, run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", program], text=True, capture_output=True, timeout=100)
    assert (done.returncode, done.stderr) == (NOT_PERMITTED, "")
    assert 'there is no mpiexec or no mpi4py: pip install -e ".[mpi]"' in done.stdout
