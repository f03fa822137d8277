"""Convolution and both of its gradients on SIMD units, without an im2col matrix.

Three loops around the micro-kernel of `simd.py`:

    image n, band of rows            view: the part of x that the band reads, zeros where it is padding
    +----------------------+         +------------------------------+
    |                      |         | 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0|     The view (at most VIEW floats: it stays in the L2
    |######################|  --->   | 0 0 #################### 0 0 |     cache) is the only copy: 1.3 times the image for
    |######################|         | 0 0 #################### 0 0 |     5x5, where im2col makes 25. Without padding the
    |                      |         +------------------------------+     image itself is the view.
    +----------------------+
    conv2d:       for each (image, band): for each panel of filters: for each 14 pixels: micro-kernel over the window
    input grad:   the same. dx of stride (SH, SW) is SH*SW convolutions of stride 1 of dy, one for each `phase` of dx's
                  pixels: those with the same h % SH and w % SW. Each sees its own share of the window, turned by 180
                  degrees, so that nothing is multiplied by the zeros of a dilated dy.
    weight grad:  for each block of images: for each image, band: for each panel of filters: for each 14 cells (p, q, c)
                  of the window: micro-kernel over the band's pixels. At most BLOCKS blocks, added up in order: how a sum is
                  split depends on the shapes alone, never on the threads.
"""

from functools import lru_cache
from typing import NamedTuple

import numba
import numpy as np
from numba import njit, prange

from . import memory
from .simd import ROWS, STAMP, pack, sweep, whole_vectors

ALIGNED = memory.ALIGNMENT // 4  # floats
VIEW = 1 << 16  # floats: 256 KiB, a quarter of a usual L2 cache
PANEL = 1 << 16
BLOCKS = 8  # partial sums of a weight gradient
NO_FLOOR, ZERO = np.float32(-np.inf), np.float32(0)


class Phase(NamedTuple):
    """A convolution over `count` output pixels, of a window of `taps` whose first position is (top, left) of the source."""

    top: int
    left: int
    tap_rows: int
    tap_columns: int
    rows: int  # output pixels
    columns: int
    to_row: int  # the first of them
    to_column: int
    tap_row: int  # the window's cell that is the first tap
    tap_column: int
    first: int = 0  # where its packed filters start


class Correlation(NamedTuple):
    """What `_correlate` needs to know about one geometry; everything but the arrays of numbers."""

    sizes: tuple[int, ...]
    phases: np.ndarray  # (phases, fields of Phase)
    reads: np.ndarray  # (phases, pixels of a band): offset of a pixel's window in the view
    writes: np.ndarray  # the same: offset of the pixel in the output
    packed: int  # floats
    view: int  # floats per thread, 0 if the source needs no padding
    bands: int


def _band_rows(rows, line, reach, step, least):
    """Rows per band: the view of `reach + (rows - 1) * step` lines fits VIEW, and there are at least `least` bands."""
    fitting = max((VIEW // line - reach) // step + 1, 1)
    return max(min(fitting, -(-rows // least)), 1)


def _correlation(phases, source, target, read_step, write_step, tap_step, least_bands):
    """Plan a sum of convolutions.  source (H, W, C) -> target (H, W, C)."""
    height, width, channels = source
    top = min(phase.top for phase in phases)
    left = min(phase.left for phase in phases)
    bottom = max(phase.top + (phase.rows - 1) * read_step[0] + max(phase.tap_rows, 1) for phase in phases)
    right = max(phase.left + (phase.columns - 1) * read_step[1] + max(phase.tap_columns, 1) for phase in phases)
    inside = top >= 0 and left >= 0 and bottom <= height and right <= width
    if inside:
        top, left, right = 0, 0, width
    line = (right - left) * channels
    reach = max(phase.top - top + max(phase.tap_rows, 1) for phase in phases)
    rows = max(phase.rows for phase in phases)
    band = _band_rows(rows, line, reach, read_step[0], least_bands)

    packed, columns = 0, max(phase.columns for phase in phases)
    reads = np.zeros((len(phases), band * columns), np.int64)
    writes = np.zeros_like(reads)
    for f, phase in enumerate(phases):
        i, j = np.arange(band)[:, None], np.arange(phase.columns)
        read = (phase.top - top + i * read_step[0]) * line + (phase.left - left + j * read_step[1]) * channels
        write = (phase.to_row + i * write_step[0]) * target[1] + phase.to_column + j * write_step[1]
        reads[f, : read.size], writes[f, : read.size] = read.ravel(), write.ravel() * target[2]
        phases[f] = phase._replace(first=packed)
        packed += phase.tap_rows * phase.tap_columns * channels * whole_vectors(target[2])
    return Correlation(
        sizes=(*source, *target, top, left, right - left, band, reach, read_step[0], write_step[0], *tap_step),
        phases=np.array(phases, np.int64),
        reads=reads,
        writes=writes,
        packed=packed,
        view=0 if inside else (reach + (band - 1) * read_step[0]) * line,
        bands=-(-rows // band),
    )


@lru_cache(512)
def _forward_plan(source, target, window, strides, pads, least_bands):
    (top, _), (left, _) = pads
    whole = Phase(-top, -left, *window, target[0], target[1], 0, 0, 0, 0)
    return _correlation([whole], source, target, strides, (1, 1), (1, 1), least_bands)


def _axis_phases(size, window, stride, pad):
    """Along one axis: (first source pixel, taps, pixels, first pixel, cell of the first tap) of every phase."""
    phases = []
    for first in range(min(stride, size)):
        cell = (first + pad) % stride  # pixel first + i*stride was read at cell + u*stride by output base + i - u
        taps = max(-(-(window - cell) // stride), 0)
        base = (first + pad) // stride
        pixels = -(-(size - first) // stride)
        phases.append((base - max(taps - 1, 0), taps, pixels, first, cell + (taps - 1) * stride))
    return phases


@lru_cache(512)
def _input_grad_plan(source, target, window, strides, pads, least_bands):
    phases = []
    for top, tap_rows, rows, to_row, tap_row in _axis_phases(target[0], window[0], strides[0], pads[0][0]):
        for left, tap_columns, columns, to_column, tap_column in _axis_phases(
            target[1], window[1], strides[1], pads[1][0]
        ):
            taps = (tap_rows, tap_columns) if tap_rows and tap_columns else (0, 0)
            phases.append(Phase(top, left, *taps, rows, columns, to_row, to_column, tap_row, tap_column))
    return _correlation(phases, source, target, (1, 1), strides, (-strides[0], -strides[1]), least_bands)


@njit(nogil=True)
def _fill_view(view, x, start, height, width, channels, top, rows, left, columns):
    """view (rows, columns, C) = the image at x[start], from (top, left) on, zeros outside of it."""
    line = columns * channels
    before = min(max(-left, 0), columns)
    used = max(min(left + columns, width) - max(left, 0), 0)
    for r in range(rows):
        target = view[r * line :][:line]
        if top + r < 0 or top + r >= height:
            target[:] = 0
        else:
            source = x[start + ((top + r) * width + max(left, 0)) * channels :]
            for k in range(before * channels):
                target[k] = 0
            inner = target[before * channels :]
            for k in range(used * channels):
                inner[k] = source[k]
            for k in range((before + used) * channels, line):
                target[k] = 0


@njit(nogil=True)
def _pack_filters(w, window_columns, packed, phases, channels, filters, tap_row_step, tap_column_step, flipped):
    """The filters of every phase as panels: rows (p, q, c), or (p, q, o) and columns c if `flipped`."""
    for f in range(len(phases)):
        tap_rows, tap_columns, first = phases[f, 2], phases[f, 3], phases[f, 10]
        total = tap_rows * tap_columns * channels
        for u in range(tap_rows):
            for v in range(tap_columns):
                cell = (phases[f, 8] + u * tap_row_step) * window_columns + phases[f, 9] + v * tap_column_step
                k_step, o_step = (1, channels) if flipped else (filters, 1)
                row = (u * tap_columns + v) * channels
                pack(w, cell * channels * filters, k_step, o_step, channels, filters, packed, first, row, total)


@njit(nogil=True)
def _correlate_band(x, n, band, packed, bias, floor, y, sizes, phases, reads, writes, view):
    """All phases of one band of one image."""
    (height, width, channels, y_height, y_width, filters, top, left, columns, band_rows, reach, step, y_step,
     _, _) = sizes  # fmt: skip
    start, i0 = n * height * width * channels, band * band_rows
    if len(view):
        rows = reach + (band_rows - 1) * step
        _fill_view(view, x, start, height, width, channels, top + i0 * step, rows, left, columns)
        a, a0 = view, 0
    else:
        a, a0 = x, start + i0 * step * width * channels
    y0 = (n * y_height + i0 * y_step) * y_width * filters
    for f in range(len(phases)):
        count = min(band_rows, phases[f, 4] - i0) * phases[f, 5]
        if count > 0:
            sweep(a, a0, reads[f], count, columns * channels, 1,
                  packed, phases[f, 10], 0, phases[f, 2], phases[f, 3] * channels,
                  bias, 0, 0, floor, y, y0, writes[f], filters)  # fmt: skip


@njit(nogil=True)
def _block_weight_grad(x, dy, first, last, partial, partial0, zeros, sizes, at, to, view, panels):
    """partial = the sum of dw over bands first..last, counted through all images, for the window's cells in `at`."""
    (height, width, channels, out_rows, out_columns, filters, padded, sh, sw,
     reach, top, left, columns, band_rows, bands) = sizes  # fmt: skip
    line = columns * channels
    seed, seed0, seed_step = zeros, 0, 0
    for unit in range(first, last):
        n, i0 = unit // bands, unit % bands * band_rows
        rows = min(band_rows, out_rows - i0)
        start, pixels = n * height * width * channels, rows * out_columns
        if len(view):
            seen = reach + (rows - 1) * sh
            _fill_view(view, x, start, height, width, channels, top + i0 * sh, seen, left, columns)
            a, a0 = view, 0
        else:
            a, a0 = x, start + i0 * sh * line
        b, b0, b_step = dy, (n * out_rows + i0) * out_columns * filters, filters
        if len(panels):
            pack(dy, b0, filters, 1, pixels, filters, panels, 0, 0, pixels)
            b, b0, b_step = panels, 0, 0
        sweep(a, a0, at, len(at), sh * line, sw * channels, b, b0, b_step, rows, out_columns,
              seed, seed0, seed_step, NO_FLOOR, partial, partial0, to, padded)  # fmt: skip
        seed, seed0, seed_step = partial, partial0, padded


def _compile(stamp):
    """The functions that Numba compiles and keeps on disk; enclosing `stamp` ties them to the text of simd.py."""

    @njit(nogil=True, cache=True, parallel=True)
    def correlate(x, images, w, window_columns, flipped, bias, floor, y, sizes, phases, reads, writes, bands, packed, views):
        _ = stamp
        _pack_filters(w, window_columns, packed, phases, sizes[2], sizes[5], sizes[13], sizes[14], flipped)
        for task in prange(images * bands):
            view = views[numba.get_thread_id()]
            _correlate_band(x, task // bands, task % bands, packed, bias, floor, y, sizes, phases, reads, writes, view)

    @njit(nogil=True, cache=True, parallel=True)
    def weight_grad(x, dy, units, dw, sizes, at, to, parts, partials, blocks, zeros, views, panels):
        _ = stamp
        filters, padded = sizes[5], sizes[6]
        size, part = len(at) * padded, -(-len(at) // (parts * ROWS)) * ROWS
        for task in prange(blocks * parts):
            t, g, k = numba.get_thread_id(), task // parts, min(task % parts * part, len(at))
            _block_weight_grad(
                x, dy, g * units // blocks, (g + 1) * units // blocks, partials, g * size + k * padded, zeros,
                sizes, at[k : k + part], to[: len(at) - k], views[t], panels[t],
            )  # fmt: skip
        for k in prange(len(at)):
            for o in range(filters):
                total = partials[k * padded + o]
                for g in range(1, blocks):
                    total += partials[g * size + k * padded + o]
                dw[k * filters + o] = total

    return correlate, weight_grad


_correlate, _weight_grad = _compile(STAMP)


def _flat(array):
    """The array as Numba's functions take it: float32, contiguous, aligned, writeable (another type would recompile)."""
    return np.require(array, np.float32, "CAW").reshape(-1)


def _scratch(rows, columns):
    """Memory for each thread; large enough to come from the pool, lines aligned to vectors."""
    columns = -(-columns // ALIGNED) * ALIGNED
    lines = max(-(-memory.SMALL // max(4 * columns, 1)), rows) if columns else rows
    return memory.empty((lines, columns))


def _least_bands(images):
    """Bands per image that give every thread something to do; results do not depend on it."""
    return max(-(-2 * numba.get_num_threads() // images), 1)


def _run(plan, x, w, flipped, b, y, relu):
    filters = y.shape[3]
    bias = np.zeros(whole_vectors(filters), np.float32)
    if b is not None:
        bias[:filters] = b
    _correlate(
        _flat(x), len(x), _flat(w), w.shape[1], flipped, bias, ZERO if relu else NO_FLOOR, y.reshape(-1),
        plan.sizes, plan.phases, plan.reads, plan.writes, plan.bands,
        _scratch(1, plan.packed).reshape(-1), _scratch(numba.get_num_threads(), plan.view),
    )  # fmt: skip
    return y


def _integers(strides, pads):
    return (int(strides[0]), int(strides[1])), tuple((int(before), int(after)) for before, after in pads)


def conv2d(x, w, b, *, strides, pads, relu=False):
    strides, pads = _integers(strides, pads)
    n, height, width, _ = x.shape
    kh, kw, _, filters = w.shape
    oh = (height + sum(pads[0]) - kh) // strides[0] + 1
    ow = (width + sum(pads[1]) - kw) // strides[1] + 1
    y = memory.empty((n, oh, ow, filters))
    if y.size == 0:
        return y
    plan = _forward_plan(x.shape[1:], y.shape[1:], (kh, kw), strides, pads, _least_bands(n))
    return _run(plan, x, w, False, b, y, relu)


def conv2d_input_grad(dy, w, x_shape, *, strides, pads):
    strides, pads = _integers(strides, pads)
    dx = memory.empty(tuple(x_shape))
    if dx.size == 0:
        return dx
    plan = _input_grad_plan(dy.shape[1:], dx.shape[1:], w.shape[:2], strides, pads, _least_bands(len(dx)))
    return _run(plan, dy, w, True, None, dx, False)


@lru_cache(512)
def _weight_grad_plan(source, target, window, strides, pads):
    """sizes, at, to, floats of a view, floats of dy's panels, bands of an image: all of them by shape alone."""
    (height, width, channels), (rows, columns, filters), (sh, sw) = source, target, strides
    top, left = -pads[0][0], -pads[1][0]
    seen = (columns - 1) * sw + window[1]
    inside = top == left == 0 and (rows - 1) * sh + window[0] <= height and seen <= width
    if inside:
        seen = width
    padded = whole_vectors(filters)
    band = min(_band_rows(rows, seen * channels, window[0], sh, 1), max(PANEL // (columns * padded), 1))
    p, q, c = np.ogrid[: window[0], : window[1], :channels]
    at = ((p * seen + q) * channels + c).astype(np.int64).ravel()  # cell (p, q, c) of the window at pixel (0, 0)
    bands = -(-rows // band)
    sizes = (height, width, channels, rows, columns, filters, padded, sh, sw, window[0], top, left, seen, band, bands)
    view = 0 if inside else (window[0] + (band - 1) * sh) * seen * channels
    return sizes, at, np.arange(len(at)) * padded, view, band * columns * padded if padded > filters else 0, bands


def conv2d_weight_grad(x, dy, w_shape, *, strides, pads):
    strides, pads = _integers(strides, pads)
    dw = memory.empty(tuple(w_shape))
    if x.size == 0 or dy.size == 0:
        dw[...] = 0
        return dw
    sizes, at, to, view, panels, bands = _weight_grad_plan(x.shape[1:], dy.shape[1:], dw.shape[:2], strides, pads)
    units, threads, padded = len(x) * bands, numba.get_num_threads(), whole_vectors(dw.shape[3])
    blocks = min(units, BLOCKS)
    _weight_grad(
        _flat(x), _flat(dy), units, dw.reshape(-1), sizes, at, to, -(-threads // blocks),
        _scratch(blocks, len(at) * padded).reshape(-1), blocks, np.zeros(padded, np.float32),
        _scratch(threads, view), _scratch(threads, panels),
    )  # fmt: skip
    return dw
