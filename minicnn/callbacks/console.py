"""say: print one line above a live progress bar instead of through it."""

import sys
from typing import Any


def printable(text: str, stream: Any) -> str:
    """`text` with a question mark for each character that `stream` cannot encode."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


def say(text: str) -> None:
    """Print one line on stdout, as it is now: a redirection or a captured stream is honoured."""
    stream = sys.stdout
    if stream is None:
        return
    text = printable(text, stream)
    if "tqdm" in sys.modules:  # otherwise there can be no bar to step around, and no reason to import tqdm
        sys.modules["tqdm"].tqdm.write(text, file=stream)
    else:
        stream.write(text + "\n")
    stream.flush()
