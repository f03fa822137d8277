"""Convolution and both of its gradients on SIMD units, without an im2col matrix.

Where `plan.choose` says so, `winograd.py` computes them. Else: three loops around the micro-kernel of `simd.py`:

    image n, band of rows         view: the part of x that the band reads, zeros where it is padding
    +--------------------+        +----------------------------+
    |                    |        | 0 0 0 0 0 0 0 0 0 0 0 0 0 0|   The view stays in the L2 cache (VIEW floats unless
    |####################|  --->  | 0 0 ################## 0 0 |   one row needs more). It is the only copy: 1.3 times
    |####################|        | 0 0 ################## 0 0 |   a 28x28 image for 5x5 windows; im2col makes 25. If
    |                    |        +----------------------------+   nothing is padded the image itself is the view.
    +--------------------+

    conv2d       for each (image, band): for each panel of filters: for each 14 pixels: micro-kernel over a window.

    input grad   the same: dx is SH*SW convolutions of dy with stride 1, one for each `Phase`: the pixels of dx with the
                 same h % SH and w % SW. Each has its own share of the window, turned by 180 degrees, so that nothing is
                 multiplied by the zeros of a dilated dy. One axis, 3 taps, stride 2, no padding:

                     dx     0   1   2   3   4          phase 0: dx[0] = dy[0] w[0]
                     dy[0]  w0  w1  w2                          dx[2] = dy[0] w[2] + dy[1] w[0],  dx[4] = dy[1] w[2]
                     dy[1]          w0  w1  w2         phase 1: dx[1] = dy[0] w[1],  dx[3] = dy[1] w[1]

    weight grad  for each block of bands: for each band: for each panel of filters: for each 14 cells (p, q, c) of the
                 window: micro-kernel over the band's pixels. There are at most BLOCKS blocks, added up in order: how a
                 sum is split depends on the shapes alone, never on the threads.
"""

from functools import lru_cache
from typing import NamedTuple

import numba
import numpy as np

from . import memory, winograd
from .activation import sum_blocks
from .dense import NO_AFFINE, scale_and_shift
from .jit import inner, outer
from .library import load
from .memory import OWN, flats
from .moments import NO_SUMS, chunk_sums, merge, sums_table
from .plan import choose
from .simd import ROWS, copy_floats, pack, sweep, whole_vectors
from .tasks import parallel, parallel_for
from .winograd import SHARES

VIEW = 1 << 16  # floats: 256 KiB, a quarter of a usual L2 cache
BLOCKS = 8  # partial sums of a weight gradient
NO_FLOOR, ZERO = np.float32(-np.inf), np.float32(0)


class Phase(NamedTuple):
    """A convolution for rows x columns pixels of y; the first is (y_row, y_column), its window starts at (top, left).

    Tap (u, v) of the window is cell (tap_row + u*sign*SH, tap_column + v*sign*SW) of w; its panels start at `packed`.
    """

    top: int
    left: int
    tap_rows: int
    tap_columns: int
    tap_row: int
    tap_column: int
    rows: int
    columns: int
    y_row: int
    y_column: int
    packed: int = 0


class Sizes(NamedTuple):
    """The numbers that the compiled loops share. The view shows x from pixel (top, left) on, `line` floats per row."""

    height: int
    width: int
    channels: int
    y_height: int
    y_width: int
    filters: int
    top: int
    left: int
    line: int
    reach: int  # rows of the view for the first row of a band,
    step: int  # and for each further one
    y_step: int  # rows of y from one row of a phase to the next
    band: int  # rows of a phase, or of dy, in a band
    bands: int
    tap_row_step: int = 0
    tap_column_step: int = 0


def _view(top, left, bottom, right, height, width):
    """The view's (top, left, columns): all that is read, or the image itself (0, 0, width) if that holds it all."""
    inside = top >= 0 and left >= 0 and bottom <= height and right <= width
    return (0, 0, width, True) if inside else (top, left, right - left, False)


def _band_rows(rows, line, reach, step, least):
    """Rows per band: its view, reach + (rows - 1) * step lines, fits VIEW, and there are at least `least` bands."""
    fitting = max((VIEW // line - reach) // step + 1, 1)
    return max(min(fitting, rows // least), 1)


def _correlation(phases, x_shape, y_shape, x_step, y_step, tap_step, least_bands, multiple=1):
    """Plan all phases, x (H, W, C) -> y (H, W, C): Sizes, phases, reads, writes, floats of the panels and of a view.

    reads, writes (phases, pixels of a band): where a pixel's window starts in the view, and where the pixel is in y.
    multiple: of so many rows is every band but an image's last.
    """
    height, width, channels = x_shape
    bottom = max(f.top + (f.rows - 1) * x_step[0] + max(f.tap_rows, 1) for f in phases)
    right = max(f.left + (f.columns - 1) * x_step[1] + max(f.tap_columns, 1) for f in phases)
    top, left = min(f.top for f in phases), min(f.left for f in phases)
    top, left, view_columns, inside = _view(top, left, bottom, right, height, width)
    line = view_columns * channels
    reach = max(f.top - top + max(f.tap_rows, 1) for f in phases)
    rows, columns = max(f.rows for f in phases), max(f.columns for f in phases)
    band = _band_rows(rows, line, reach, x_step[0], least_bands)
    band = min(band, max(VIEW // (columns * y_shape[2]), 1))  # what is written is read again: affine, statistics
    band = max(band // multiple, 1) * multiple

    packed, placed = 0, []
    reads, writes = np.zeros((2, len(phases), band * columns), np.int64)
    for n, f in enumerate(phases):
        i, j = np.ogrid[:band, : f.columns]
        pixels = slice(band * f.columns)
        reads[n, pixels] = ((f.top - top + i * x_step[0]) * line + (f.left - left + j * x_step[1]) * channels).ravel()
        y_pixel = (f.y_row + i * y_step[0]) * y_shape[1] + f.y_column + j * y_step[1]
        writes[n, pixels] = y_pixel.ravel() * y_shape[2]
        placed.append(tuple(f._replace(packed=packed)))
        packed += f.tap_rows * f.tap_columns * channels * whole_vectors(y_shape[2])
    sizes = Sizes(*x_shape, *y_shape, top, left, line, reach, x_step[0], y_step[0], band, -(-rows // band), *tap_step)
    table = np.array(placed, [(name, np.int64) for name in Phase._fields])
    return sizes, table, reads, writes, packed, 0 if inside else (reach + (band - 1) * x_step[0]) * line


@lru_cache(512)
def forward_plan(x_shape, y_shape, window, strides, pads, least_bands, multiple=1):
    """The plan of `_correlation` for the first rows and columns of y, as many as y_shape (H, W, O) has."""
    whole = Phase(-pads[0][0], -pads[1][0], *window, 0, 0, y_shape[0], y_shape[1], 0, 0)
    return _correlation([whole], x_shape, y_shape, strides, (1, 1), (1, 1), least_bands, multiple)


def _axis_phases(size, window, stride, pad):
    """Along one axis: (first row of dy, taps, cell of the first tap, pixels, first pixel) of every phase of dx.

    Pixel h = first + i*stride was read by row base + i - u of dy through cell + u*stride of the window, u < taps.
    """
    phases = []
    for first in range(min(stride, size)):
        base, cell = divmod(first + pad, stride)
        taps = max(-(-(window - cell) // stride), 0)
        pixels = -(-(size - first) // stride)
        phases.append((base - max(taps - 1, 0), taps, cell + (taps - 1) * stride, pixels, first))
    return phases


@lru_cache(512)
def _input_grad_plan(dy_shape, dx_shape, window, strides, pads, least_bands):
    phases = []
    vertical, horizontal = (_axis_phases(dx_shape[a], window[a], strides[a], pads[a][0]) for a in (0, 1))
    for top, tap_rows, tap_row, rows, dx_row in vertical:
        for left, tap_columns, tap_column, columns, dx_column in horizontal:
            taps = (tap_rows, tap_columns) if tap_rows and tap_columns else (0, 0)
            phases.append(Phase(top, left, *taps, tap_row, tap_column, rows, columns, dx_row, dx_column))
    return _correlation(phases, dy_shape, dx_shape, (1, 1), strides, (-strides[0], -strides[1]), least_bands)


@lru_cache(512)
def weight_grad_plan(x_shape, dy_shape, window, strides, pads, most=VIEW, multiple=1):
    """Sizes, at, to, floats of a view and of dy's panels.  at, to: a cell (p, q, c) in the view, and its line in dw.

    most, multiple: a band has no more floats of dy if possible, and so many rows or a multiple, but an image's last.
    """
    (height, width, channels), (rows, columns, filters), (sh, sw) = x_shape, dy_shape, strides
    top, left = -pads[0][0], -pads[1][0]
    bottom, right = top + (rows - 1) * sh + window[0], left + (columns - 1) * sw + window[1]
    top, left, view_columns, inside = _view(top, left, bottom, right, height, width)
    line, padded = view_columns * channels, whole_vectors(filters)
    band = min(_band_rows(rows, line, window[0], sh, 1), max(most // (columns * padded), 1))
    band = max(band // multiple, 1) * multiple
    p, q, c = np.ogrid[: window[0], : window[1], :channels]
    origin = (-pads[0][0] - top) * line + (-pads[1][0] - left) * channels
    at = (origin + p * line + q * channels + c).ravel()
    sizes = Sizes(*x_shape, *dy_shape, top, left, line, window[0], sh, 1, band, -(-rows // band))
    view = 0 if inside else (window[0] + (band - 1) * sh) * line
    return sizes, at, np.arange(len(at)) * padded, view, band * columns * padded if padded > filters else 0


@inner
def _fill_view(view, x, start, s, top, rows):
    """view (rows, columns, C) = the image x[start], from row `top` and column s.left on, zeros where there is none."""
    line = s.width * s.channels
    before = min(max(-s.left * s.channels, 0), s.line)
    cut = max(s.left * s.channels, 0)
    used = max(min(line - cut, s.line - before), 0)
    for r in range(rows):
        there = 0 <= top + r < s.height
        shown = used if there else 0
        gap = before if there else 0
        for k in range(gap):
            view[r * s.line + k] = 0
        copy_floats(view, r * s.line + gap, x, start + (top + r) * line + cut, shown)
        for k in range(gap + shown, s.line):
            view[r * s.line + k] = 0


@inner
def _pack_filters(w, w_columns, s, phases, panels, flipped):
    """The filters of every phase as panels: rows (p, q, c), or (p, q, o) and columns c if `flipped`."""
    for n in range(len(phases)):
        f = phases[n]
        for u in range(f.tap_rows):
            for v in range(f.tap_columns):
                cell = (f.tap_row + u * s.tap_row_step) * w_columns + f.tap_column + v * s.tap_column_step
                k_step, o_step = (1, s.channels) if flipped else (s.filters, 1)
                pack(w, cell * s.channels * s.filters, k_step, o_step, s.channels, s.filters,
                     panels, f.packed, (u * f.tap_columns + v) * s.channels,
                     f.tap_rows * f.tap_columns * s.channels)  # fmt: skip


@inner
def correlate_band(x, n, band, s, phases, reads, writes, panels, bias, floor, scale, shift, y, y0, view):
    """All phases of one band of one image; its first row is y[y0...]."""
    start, i0 = n * s.height * s.width * s.channels, band * s.band
    a, a0 = x, start + i0 * s.step * s.line
    if len(view):
        _fill_view(view, x, start, s, s.top + i0 * s.step, s.reach + (s.band - 1) * s.step)
        a, a0 = view, 0
    for k in range(len(phases)):
        f = phases[k]
        count = min(s.band, f.rows - i0) * f.columns
        if count > 0:
            sweep(a, a0, reads[k], count, s.line, 1, panels, f.packed, 0, f.tap_rows, f.tap_columns * s.channels,
                  bias, 0, 0, floor, y, y0, writes[k], s.filters)  # fmt: skip
    if len(scale):  # of a forward pass, whose band is one piece of y and still in the cache
        for pixel in range(min(s.band, s.y_height - i0) * s.y_width):
            scale_and_shift(y, y0 + pixel * s.filters, s.filters, scale, shift, 0)


def fill_band(dy, source, start, rows, columns, filters):
    """source.dz = the convolution's gradient, its float `start` and on, from dy, one further behind.

    In njit code only. What stands behind a convolution overloads it for its kind of `source`, a NamedTuple.
    """
    raise NotImplementedError


@inner
def block_weight_grad(x, dy, source, first, last, s, column_step, at, to, zeros, partial, partial0, padded, view,
                      panels):  # fmt: skip
    """partial = the sum of dw over bands first..last, counted through all images, for the window's cells in `at`.

    source: None, or what `fill_band` makes a band of dy of, where `dy` is a gradient further behind.
    """
    seed, seed0, seed_step = zeros, 0, 0
    for unit in range(first, last):
        n, i0 = unit // s.bands, unit % s.bands * s.band
        rows = min(s.band, s.y_height - i0)
        start = n * s.height * s.width * s.channels
        a, a0 = x, start + i0 * s.step * s.line
        if len(view):
            _fill_view(view, x, start, s, s.top + i0 * s.step, s.reach + (rows - 1) * s.step)
            a, a0 = view, 0
        b, b0, b_step = dy, (n * s.y_height + i0) * s.y_width * s.filters, s.filters
        if source is not None:
            fill_band(dy, source, b0, rows, s.y_width, s.filters)
            b, b0 = source.dz, 0
        if len(panels):  # the filters are no whole vectors
            pack(b, b0, b_step, 1, rows * s.y_width, s.filters, panels, 0, 0, rows * s.y_width)
            b, b0, b_step = panels, 0, 0
        sweep(a, a0, at, len(at), s.step * s.line, column_step, b, b0, b_step, rows, s.y_width,
              seed, seed0, seed_step, NO_FLOOR, partial, partial0, to, padded)  # fmt: skip
        seed, seed0, seed_step = partial, partial0, padded


@inner
def _correlate_task(task, thread, x, bias, floor, scale, shift, y, s, phases, reads, writes, panels, views,
                    sums, edges):  # fmt: skip
    n, band = task // s.bands, task % s.bands
    start = (n * s.y_height + band * s.band * s.y_step) * s.y_width * s.filters
    correlate_band(x, n, band, s, phases, reads, writes, panels, bias, floor, scale, shift, y, start, views[thread])
    if len(sums):
        rows = min(s.band, s.y_height - band * s.band)
        chunk_sums(y, start, edges[:rows], edges[1 : rows + 1], s.filters, sums[task])


@inner
def weight_grad_task(task, thread, x, dy, source, units, s, column_step, at, to, blocks, parts, partials, zeros,
                     views, panels):  # fmt: skip
    """partials[g, k, ...] = the sum of dw over block g of the bands, for part k of the window's cells: task (g, k).

    With more threads than blocks, each block's cells are divided.
    """
    cells, padded = len(at), len(zeros)
    part = -(-cells // (parts * ROWS)) * ROWS
    g, k = task // parts, min(task % parts * part, cells)
    block_weight_grad(
        x, dy, source, g * units // blocks, (g + 1) * units // blocks, s, column_step, at[k : k + part], to,
        zeros, partials, (g * cells + k) * padded, padded, views[thread], panels[thread],
    )  # fmt: skip


@outer
def _pack(w, w_columns, s, phases, panels, flipped):
    _pack_filters(w, w_columns, s, phases, panels, flipped)


@parallel
def _correlate(x, images, bias, floor, scale, shift, y, s, phases, reads, writes, panels, views, sums, edges):
    given = x, bias, floor, scale, shift, y, s, phases, reads, writes, panels, views, sums, edges
    parallel_for(_correlate_task, images * s.bands, given)


@parallel
def _weight_grad(x, dy, units, s, column_step, at, to, blocks, parts, partials, zeros, views, panels):
    given = x, dy, None, units, s, column_step, at, to, blocks, parts, partials, zeros, views, panels
    parallel_for(weight_grad_task, blocks * parts, given)


_library = load()


def least_bands(images, shares):
    """Bands per image that give so many threads something to do; only statistics depend on it."""
    return -(-2 * shares // images)


@lru_cache(512)
def integers(strides, pads):
    """Strides and pads as Python's numbers."""
    return (int(strides[0]), int(strides[1])), tuple((int(before), int(after)) for before, after in pads)


@lru_cache(512)
def output_shape(x_shape, w_shape, strides, pads):
    (n, h, w, _), (kh, kw, _, filters), ((top, bottom), (left, right)) = x_shape, w_shape, pads
    return n, (h + top + bottom - kh) // strides[0] + 1, (w + left + right - kw) // strides[1] + 1, filters


def _plan(kernel, x_shape, y_shape, window, strides, pads, threads, shares):
    """The kernel's plan for at least so many shares of work, and the sizes of its scratch memory."""
    if kernel == "weight_grad":
        plan = weight_grad_plan(x_shape[1:], y_shape[1:], window, strides, pads)
        sizes, at, _, view, panels = plan
        blocks = min(x_shape[0] * sizes.bands, BLOCKS)
        return plan, [(1, blocks * len(at) * whole_vectors(y_shape[3])), (threads, view, OWN), (threads, panels, OWN)]
    least = least_bands(x_shape[0], shares)
    if kernel == "forward":
        plan = forward_plan(x_shape[1:], y_shape[1:], window, strides, pads, least)
    else:
        plan = _input_grad_plan(y_shape[1:], x_shape[1:], window, strides, pads, least)
    return plan, [(1, plan[4]), (threads, plan[5], OWN)]


def workspace(kernel, x_shape, y_shape, window, strides, pads, threads):
    """The sizes of all scratch arrays of a kernel, as `memory.scratch` takes them."""
    return _plan(kernel, tuple(x_shape), tuple(y_shape), window, strides, pads, threads, threads)[1]


def weight_grad_alone(compiled, given, x, y_shape, w_shape, strides, pads, most, multiple=1):
    """dw and db, where nobody else reads dy: `compiled` makes it of the arrays `given`, a band after the other.

    most, multiple: of a band, see weight_grad_plan.
    """
    threads, filters = numba.get_num_threads(), y_shape[3]
    plan = weight_grad_plan(x.shape[1:], y_shape[1:], tuple(w_shape[:2]), strides, pads, most, multiple)
    sizes, at, to, view, panels = plan
    units, zeros = len(x) * sizes.bands, np.zeros(whole_vectors(filters), np.float32)
    blocks = min(units, BLOCKS)
    parts = -(-threads // blocks)
    room = (threads, view, OWN), (threads, panels, OWN), (threads, sizes.band * sizes.y_width * filters, OWN)
    partials, *room = memory.scratch((1, blocks * len(at) * len(zeros)), *room)
    partials, totals = partials.reshape(-1), memory.empty((blocks * parts, filters))
    compiled(
        *flats(x), *given, units, sizes, strides[1] * x.shape[3], at, to, blocks, parts, partials, zeros, *room, totals,
    )  # fmt: skip
    partials = partials[: blocks * len(at) * len(zeros)].reshape(blocks, *w_shape[:3], len(zeros))
    dw = partials[..., :filters].sum(axis=0, out=memory.empty(tuple(w_shape)))  # in the order of the blocks
    return dw, totals[::parts].sum(axis=0)


def packed(plan, scratch, w, flipped, b):
    """The bias in whole vectors, the filters in panels, and what else `scratch` asks for: views, ...."""
    sizes, phases = plan[:2]
    bias = np.zeros(whole_vectors(sizes.filters), np.float32)
    if b is not None:
        bias[: len(b)] = b
    panels, *others = memory.scratch(*scratch)
    panels = panels.reshape(-1)
    _pack(*flats(w), w.shape[1], sizes, phases, panels, flipped)
    return bias, panels, *others


def _run(plan, scratch, x, w, flipped, b, relu, affine, y, stats=None):
    sizes, phases, reads, writes, _, _ = plan
    bias, panels, views = packed(plan, scratch, w, flipped, b)
    sums = sums_table(len(y) * sizes.bands, y.shape[3]) if stats else NO_SUMS
    edges = np.arange(sizes.band + 1) * (y.shape[2] * y.shape[3])
    floor, affine = ZERO if relu else NO_FLOOR, NO_AFFINE if affine is None else flats(*affine)
    _correlate(
        *flats(x), len(x), bias, floor, *affine, y.reshape(-1), sizes, phases, reads, writes,
        panels, views, sums, edges,
    )  # fmt: skip
    if stats:
        rows = np.full((len(y), sizes.bands), sizes.band)
        rows[:, -1] = y.shape[1] - (sizes.bands - 1) * sizes.band
        merge(sums, rows.ravel() * float(y.shape[2]), *stats)
    return y


def conv2d(x, w, b, *, strides, pads, relu=False, affine=None, stats=False, algorithm="auto", kept=None):
    strides, pads = integers(strides, pads)
    shape, window = output_shape(x.shape, w.shape, strides, pads), w.shape[:2]
    chosen = choose(algorithm, shape[1:3], window, strides, x.shape[3], shape[3])
    y = memory.empty(shape)
    mean_var = tuple(np.full((2, shape[3]), np.nan, np.float32)) if stats else None
    if y.size == 0:
        pass
    elif chosen == "winograd":
        winograd.convolve(x, w, b, y, pads=pads, relu=relu, affine=affine, stats=mean_var, kept=kept)
    else:
        threads = numba.get_num_threads()
        shares = max(SHARES) if stats else threads  # a band's statistics are summed in one: so not by threads
        plan = _plan("forward", x.shape, shape, window, strides, pads, threads, shares)
        _run(*plan, x, w, False, b, relu, affine, y, mean_var)
    return (y, *mean_var) if stats else y


def conv2d_input_grad(dy, w, x_shape, *, strides, pads, algorithm="auto"):
    strides, pads = integers(strides, pads)
    window, x_shape = w.shape[:2], tuple(x_shape)
    size = winograd.reached(dy.shape[1:3], window[0], pads, x_shape[1:3])
    chosen = choose(algorithm, size, window, strides, dy.shape[3], x_shape[3], "input_grad")
    dx = memory.empty(x_shape)
    if dx.size == 0:
        return dx
    if chosen == "winograd":
        return winograd.convolve(dy, w, None, dx, pads=pads, turned=True)
    threads = numba.get_num_threads()
    plan = _plan("input_grad", x_shape, dy.shape, window, strides, pads, threads, threads)
    return _run(*plan, dy, w, True, None, False, None, dx)


def conv2d_weight_grad(x, dy, w_shape, *, strides, pads, algorithm="auto"):
    strides, pads = integers(strides, pads)
    window = tuple(w_shape[:2])
    chosen = choose(algorithm, dy.shape[1:3], window, strides, x.shape[3], dy.shape[3], "weight_grad")
    dw = memory.empty(tuple(w_shape))
    if x.size == 0 or dy.size == 0:
        dw[...] = 0
        return dw
    if chosen == "winograd":
        return winograd.weight_gradient(x, dy, dw, pads=pads)
    threads = numba.get_num_threads()
    (sizes, at, to, _, _), scratch = _plan("weight_grad", x.shape, dy.shape, window, strides, pads, threads, threads)
    partials, views, panels = memory.scratch(*scratch)
    units, partials = len(x) * sizes.bands, partials.reshape(-1)
    blocks, zeros = min(units, BLOCKS), np.zeros(whole_vectors(dw.shape[3]), np.float32)
    _weight_grad(
        *flats(x, dy), units, sizes, strides[1] * x.shape[3], at, to,
        blocks, -(-threads // blocks), partials, zeros, views, panels,
    )  # fmt: skip
    partials = partials[: blocks * len(at) * len(zeros)].reshape(blocks, *dw.shape[:3], len(zeros))
    return sum_blocks(partials, dw)
