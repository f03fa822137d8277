"""Statistics over a batch whose rows several processes compute: how an op reaches the other processes.

      share(ranks)      as a step begins that several processes compute; share(None) as it ends
      sharing()         in an op: who answers for all of them (training/world.py), or None: this process is alone
"""

import contextvars
from typing import Any

_ranks: contextvars.ContextVar = contextvars.ContextVar("ranks", default=None)
sharing = _ranks.get


def share(ranks: Any) -> None:
    """From here on, in this thread, `ranks` answers for all processes of the step."""
    _ranks.set(ranks)
