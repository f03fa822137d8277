"""The array namespace of a call, so that the definition runs wherever arrays lie: NumPy's, CuPy's, ...

Every kernel begins with `xp = namespace(x)` and makes its arrays with it: CuPy refuses to mix its own with NumPy's.
What is asked is NumPy's interface, as CuPy offers it, not the smaller one of the array API standard.
"""

import sys
from typing import Any


def namespace(x) -> Any:
    """NumPy for NumPy's arrays, CuPy for CuPy's, what `__array_namespace__` says for all others."""
    module = sys.modules.get(type(x).__module__.partition(".")[0])
    return module if getattr(module, "ndarray", None) is type(x) else x.__array_namespace__()
