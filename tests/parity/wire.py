"""How the tests and the process that holds the real Keras talk: frames of [8 bytes length][npz], never a pickle."""

import io
import json

import numpy as np


def send(stream, header: dict, arrays: dict) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays)
    frame = buffer.getvalue()
    stream.write(len(frame).to_bytes(8, "little") + frame)
    stream.flush()


def receive(stream) -> tuple[dict, dict] | None:
    """The next frame's header and arrays, or None at the end of the stream."""
    length = stream.read(8)
    if len(length) < 8:
        return None
    with np.load(io.BytesIO(stream.read(int.from_bytes(length, "little"))), allow_pickle=False) as frame:
        arrays = dict(frame)
    return json.loads(arrays.pop("header").tobytes()), arrays


def pack(name: str, values) -> dict:
    """A list of arrays as {"name0": ..., "name1": ...}."""
    return {f"{name}{i}": np.asarray(value) for i, value in enumerate(values)}


def unpack(name: str, arrays: dict) -> list:
    """The list again."""
    found = []
    while f"{name}{len(found)}" in arrays:
        found.append(arrays[f"{name}{len(found)}"])
    return found
