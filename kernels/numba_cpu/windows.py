"""Windows over channels-last images, as pooling and depthwise convolutions go through them.

      window cell (p, q) of output pixel (i, j)  =  image pixel (i*SH - top + p, j*SW - left + q), if it is inside
"""

from .codegen.jit import inner


def out_size(x_shape, window, strides, pads):
    """OH, OW."""
    return [(x_shape[1 + a] + sum(pads[a]) - window[a]) // strides[a] + 1 for a in (0, 1)]


def windows_of(window, strides, pads):
    """Size and step of windows, and the pixels of padding before the first, as compiled functions take them."""
    return tuple(window), tuple(strides), (pads[0][0], pads[1][0])


@inner
def inside(i, stride, first, window, size):
    """Along one axis, where window i begins in the image, and its cells inside: from which on, and before which."""
    start = i * stride - first
    return start, max(0, -start), min(window, size - start)
