"""Old and new spellings of the names in logs: acc and accuracy, lr and learning_rate, with and without val_."""

from collections.abc import Container

from ..notes import note

_PAIRS = {"acc": "accuracy", "accuracy": "acc", "lr": "learning_rate", "learning_rate": "lr"}


def other_spelling(name: str) -> str | None:
    """val_acc -> val_accuracy, accuracy -> acc, lr -> learning_rate, and back; None for every other name."""
    bare = name.removeprefix("val_")
    other = _PAIRS.get(bare)
    return other and name[: len(name) - len(bare)] + other


def resolve(name: str, known: Container[str], where: str) -> str | None:
    """`name` if it is in `known`, else its other spelling if that is, said once in a note; else None."""
    if name in known:
        return name
    other = other_spelling(name) if isinstance(name, str) else None
    if other is None or other not in known:
        return None
    note(f"{where}: {name!r} is read as {other!r}, the name that this model logs")
    return other
