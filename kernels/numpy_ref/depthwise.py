"""Depthwise convolution: every channel has windows of its own, and no sum runs over channels.

Cell (p, q) of all windows at once is one strided view of the padded image, so that each of the three is a loop over
the KH*KW cells:

      y = sum over cells of view * w[p,q]        dw[p,q] = sum over images and pixels of view * dy
      view of dx += dy w[p,q]

Source: Sifre 2014, "Rigid-motion scattering for image classification", chapter 6; Chollet 2017, "Xception".
"""

from .namespace import namespace


def _cells(padded, window, strides, out):
    """(p, q), and the pixels that this cell of every window reads: a view (N, OH, OW, C, 1) of the padded image."""
    (sh, sw), (oh, ow) = strides, out
    for p in range(window[0]):
        for q in range(window[1]):
            yield (p, q), padded[:, p : p + sh * (oh - 1) + 1 : sh, q : q + sw * (ow - 1) + 1 : sw, :, None]


def depthwise_conv2d(x, w, *, strides, pads):
    xp = namespace(x)
    (n, _, _, c), (*window, _, m) = x.shape, w.shape
    out = [(x.shape[1 + a] + sum(pads[a]) - window[a]) // strides[a] + 1 for a in (0, 1)]
    y = xp.zeros((n, *out, c, m), x.dtype)
    for cell, pixels in _cells(xp.pad(x, ((0, 0), *pads, (0, 0))), window, strides, out):
        y += pixels * w[cell]
    return y.reshape(n, *out, c * m)


def depthwise_conv2d_input_grad(dy, w, x_shape, *, strides, pads):
    (n, h, width, c), (*window, _, m) = x_shape, w.shape
    (top, bottom), (left, right) = pads
    padded = namespace(dy).zeros((n, h + top + bottom, width + left + right, c), dy.dtype)
    dy = dy.reshape(n, *dy.shape[1:3], c, m)
    for cell, pixels in _cells(padded, window, strides, dy.shape[1:3]):
        pixels[..., 0] += (dy * w[cell]).sum(axis=-1)
    return namespace(dy).ascontiguousarray(padded[:, top : top + h, left : left + width])


def depthwise_conv2d_weight_grad(x, dy, w_shape, *, strides, pads):
    xp = namespace(x)
    *window, c, m = w_shape
    dw, dy = xp.empty(w_shape, x.dtype), dy.reshape(*dy.shape[:3], c, m)
    for cell, pixels in _cells(xp.pad(x, ((0, 0), *pads, (0, 0))), window, strides, dy.shape[1:3]):
        dw[cell] = (pixels * dy).sum(axis=(0, 1, 2))
    return dw
