"""Sizes and paddings of sliding windows, per axis and in px."""

from ..errors import require

Pair = tuple[int, int]
Pads = tuple[Pair, Pair]  # ((top, bottom), (left, right))


def output_size(where: str, size: Pair, window: Pair, strides: Pair, pads: Pads) -> Pair:
    """floor((n + before + after - k) / s) + 1 along each axis.  Raises ShapeError where no window fits."""
    (h, w), (kh, kw), (sh, sw), ((top, bottom), (left, right)) = size, window, strides, pads
    out = (h + top + bottom - kh) // sh + 1, (w + left + right - kw) // sw + 1
    require(
        min(out) > 0, where, f"an image of at least the window's {window[0]} x {window[1]} px",
        f"{size[0]} x {size[1]} px", 'use padding="same" or a smaller window',
    )  # fmt: skip
    return out


def resolve_pads(padding: str, size: Pair, window: Pair, strides: Pair) -> Pads:
    """How many px to add on each side.

    "valid"  none
    "same"   so many that the output has ceil(n / s) px: max((ceil(n/s) - 1) s + k - n, 0) in all, the smaller
             half first
    """
    if padding == "valid":
        return (0, 0), (0, 0)
    high, wide = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(size, window, strides, strict=True)]
    return (high // 2, high - high // 2), (wide // 2, wide - wide // 2)
