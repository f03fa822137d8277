"""In a bare source checkout minicnn.kernels is the folder kernels/ beside minicnn/; installed, it lies inside."""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("minicnn.kernels") is None:
    _source = Path(__file__).parent.parent / "kernels"
    _spec = importlib.util.spec_from_file_location(
        "minicnn.kernels", _source / "__init__.py", submodule_search_locations=[str(_source)]
    )
    sys.modules["minicnn.kernels"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["minicnn.kernels"])
