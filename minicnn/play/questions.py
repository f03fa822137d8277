"""The page's requests to a Session: a name and bytes, answered by JSON text, whatever the transport.

draw     140 x 140 bytes of the canvas     every other body     JSON of a few plain fields

Nothing that arrives chooses a file or a size.
"""

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import MinicnnError, NonFiniteError, one_of
from ..io import strict_json
from .session import Session

LARGEST = 1 << 19  # bytes of a body
SIDE = 140  # px of the page's canvas


def reply(session: Session, name: str, body: bytes) -> tuple[bool, str]:
    """(whether it is answered, the answer); what the asker did wrong is told in a sentence, as {"error": ...}."""
    try:
        ask = QUESTIONS[one_of("play: question", name, QUESTIONS)]
        if len(body) > LARGEST:
            raise ValueError(f"expected at most {LARGEST} bytes")
        with np.errstate(invalid="ignore", over="ignore"):  # below it is told where they begin
            answer = ask(session, body)
        try:
            return True, json.dumps(answer, allow_nan=False)
        except ValueError:  # NaN and infinities, for which JSON has no word
            raise NonFiniteError(session.not_finite()) from None
    except (MinicnnError, ValueError, KeyError, TypeError) as error:
        return False, json.dumps({"error": str(error)})


def whole(value: Any) -> int:
    """A number that JSON may have carried, or ValueError."""
    if type(value) is not int:
        raise ValueError(f"expected a whole number, received {value!r:.40}")
    return value


def fields(body: bytes) -> dict:
    given = strict_json.parse(body or b"{}")
    if not isinstance(given, dict):
        raise ValueError("expected an object of fields")
    return given


def draw(session: Session, body: bytes) -> dict:
    if len(body) != SIDE * SIDE:
        raise ValueError(f"expected {SIDE} x {SIDE} bytes, received {len(body)}")
    return session.draw(np.frombuffer(body, np.uint8).reshape(SIDE, SIDE))


def example(session: Session, body: bytes) -> dict:
    return {"side": 28, "pixels": session.example(whole(fields(body).get("number"))).reshape(-1).tolist()}


def backward(session: Session, body: bytes) -> dict:
    label = fields(body).get("label")
    return session.backward(None if label is None else whole(label))


def cell(session: Session, body: bytes) -> dict:
    given = fields(body)
    name, index = given.get("name"), given.get("index")
    if not isinstance(name, str) or not isinstance(index, list) or len(index) > 4:
        raise ValueError("expected a layer's name and a cell's index")
    return session.cell(name, [whole(i) for i in index])


def train(session: Session, body: bytes) -> dict:
    given = fields(body)
    rate = given.get("rate")
    if rate is not None and type(rate) not in (int, float):
        raise ValueError(f"expected a rate, received {rate!r:.40}")
    return session.trainer.command(str(given.get("what")), rate)


QUESTIONS: dict[str, Callable[[Session, bytes], dict]] = {
    "about": lambda session, body: session.about(), "draw": draw, "example": example,
    "look": lambda session, body: session.look(), "backward": backward, "cell": cell, "train": train,
    "progress": lambda session, body: session.trainer.state(),
}  # fmt: skip
