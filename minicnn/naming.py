"""Automatic names, spelled and counted as Keras does: conv2d, conv2d_1, ..., auc, auc_1."""

import collections
import itertools
import re

counts: collections.defaultdict[str, itertools.count] = collections.defaultdict(itertools.count)


def snake_case(kind: str) -> str:
    """Conv2D -> conv2d, MaxPooling2D -> max_pooling2d, PReLU -> p_re_lu: Keras's spelling of automatic names."""
    kind = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", kind)
    return re.sub("([a-z])([A-Z])", r"\1_\2", kind).lower()


def auto_name(kind: str) -> str:
    """The next name of a class in this process."""
    base = snake_case(kind)
    number = next(counts[base])
    return f"{base}_{number}" if number else base
