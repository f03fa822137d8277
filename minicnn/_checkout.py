"""In a source checkout minicnn.kernels is the folder kernels/ beside minicnn/; an installed package has it inside.

The link minicnn/kernels is for readers of the source that import nothing: editors and type checkers resolve
minicnn.kernels by it. Python does not follow it: a checkout without it (a system that has no links) and one with it
run, and cache, the same files.

The folder beside this file goes first, also before an editable install: minicnn of one checkout never meets the kernels
of another. contract.py tells it from a foreign package that happens to be called kernels.
"""

import importlib.util
import sys
from pathlib import Path

_here = Path(__file__).parent
_source = _here.parent / "kernels"
_inside = _here / "kernels"
if (_inside.is_symlink() or not _inside.is_dir()) and (_source / "contract.py").is_file():
    _spec = importlib.util.spec_from_file_location(
        "minicnn.kernels", _source / "__init__.py", submodule_search_locations=[str(_source)]
    )
    assert _spec is not None
    assert _spec.loader is not None
    sys.modules["minicnn.kernels"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["minicnn.kernels"])
