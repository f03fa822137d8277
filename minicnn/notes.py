"""Notes: one line on stderr, once per text and process. For old spellings and fallbacks, never for errors.

Differs from Keras: what Keras warns of by the module warnings is one line on stderr, or an error, or nothing.
"""

import sys

_said: set[str] = set()


def note(text: str) -> None:
    """Write "minicnn: text" to stderr, unless this process has already said it."""
    if text in _said:
        return
    _said.add(text)
    if sys.stderr is not None:  # a windowed Python has none
        print(f"minicnn: {text}", file=sys.stderr, flush=True)
