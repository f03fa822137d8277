"""Convolution and both of its gradients on SIMD units, without an im2col matrix.

Where `plan.choose` says so, `winograd.py` computes them. Else: three loops around the micro-kernel:

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
from numba.extending import overload

from . import winograd
from .activation import sum_blocks
from .channel_stats import NO_SUMS, chunk_sums, merge, sums_table
from .codegen.jit import inner, outer
from .codegen.linked import load
from .codegen.microkernel import ROWS, Into, Left, Matrix, Right, Seed, copy_floats, pack, sweep, whole_vectors
from .epilogue import NO_FLOOR, epilogue, nothing, scale_and_shift
from .plan import choose
from .runtime import memory
from .runtime.memory import OWN, flats
from .runtime.thread_pool import kernel
from .winograd import SHARES

VIEW = 1 << 16  # floats: 256 KiB, a quarter of a usual L2 cache
BLOCKS = 8  # partial sums of a weight gradient
NOTHING_SUMMED = NO_SUMS, np.zeros(1, np.int64)


Two = tuple[int, int]
Image = tuple[int, int, int]  # rows, columns, channels
Geometry = tuple[Two, tuple[Two, Two]]  # strides and pads


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


class Correlation(NamedTuple):
    """How y comes of x: what `_correlation` has planned, and the filters of all phases in panels."""

    sizes: Sizes
    phases: np.ndarray
    reads: np.ndarray
    writes: np.ndarray
    panels: np.ndarray


class Cells(NamedTuple):
    """A weight gradient: `units` bands of all images in `blocks`, and the window's cells (`at` in a view, `to` in dw)
    in `parts`; `column_step` floats lie between the columns of x that a cell reads. `zeros`: what sums begin with.

    partials[g, k, ...] = the sum of dw over block g of the bands, for part k of the cells: task (g, k).
    """

    sizes: Sizes
    units: int
    column_step: int
    at: np.ndarray
    to: np.ndarray
    blocks: int
    parts: int
    partials: np.ndarray
    zeros: np.ndarray


def _view(top, left, bottom, right, height, width):
    """The view's (top, left, columns): all that is read, or the image itself (0, 0, width) if that holds it all."""
    inside = top >= 0 and left >= 0 and bottom <= height and right <= width
    return (0, 0, width, True) if inside else (top, left, right - left, False)


def _band_rows(rows, line, reach, step, least):
    """Rows per band: its view, reach + (rows - 1) * step lines, fits VIEW, and there are at least `least` bands."""
    fitting = max((VIEW // line - reach) // step + 1, 1)
    return max(min(fitting, rows // least), 1)


def _correlation(phases, x_shape: Image, y_shape: Image, x_step: Two, y_step: Two, tap_step: Two, least_bands: int,
                 multiple=1):  # fmt: skip
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
def forward_plan(x_shape: Image, y_shape: Image, window: Two, strides: Two, pads, least_bands: int, multiple=1):
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
def weight_grad_plan(x_shape: Image, dy_shape: Image, window: Two, strides: Two, pads, most=VIEW, multiple=1):
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
                taps = Matrix(w, cell * s.channels * s.filters, k_step, o_step, s.channels, s.filters)
                row, total = (u * f.tap_columns + v) * s.channels, f.tap_rows * f.tap_columns * s.channels
                pack(taps, panels, f.packed, row, total)


@inner
def correlate_band(x, n, band, c, epilogue, y, y0, view):
    """All phases of one band of one image; its first row is y[y0...]."""
    s, phases = c.sizes, c.phases
    start, i0 = n * s.height * s.width * s.channels, band * s.band
    a, a0 = x, start + i0 * s.step * s.line
    if len(view):
        _fill_view(view, x, start, s, s.top + i0 * s.step, s.reach + (s.band - 1) * s.step)
        a, a0 = view, 0
    for k in range(len(phases)):
        f = phases[k]
        count = min(s.band, f.rows - i0) * f.columns
        if count > 0:
            windows = Left(a, a0, c.reads[k], 0, count, s.line, 1)
            panels = Right(c.panels, f.packed, 0, f.tap_rows, f.tap_columns * s.channels)
            sweep(windows, panels, Seed(epilogue.bias, 0, 0, epilogue.floor), Into(y, y0, c.writes[k], s.filters))
    scale, shift = epilogue.scale, epilogue.shift
    if len(scale):  # of a forward pass, whose band is one piece of y and still in the cache
        for pixel in range(min(s.band, s.y_height - i0) * s.y_width):
            scale_and_shift(y, y0 + pixel * s.filters, s.filters, scale, shift, 0)


def fill_band(dy, behind, into, start, rows, columns, filters):
    """dz = the convolution's gradient, its float `start` and on, from dy, a gradient further behind; total += its sums.

    behind: what lies between the two, a NamedTuple of a class that is `filled_by` a function; into: dz, total.
    In njit code only.
    """
    raise NotImplementedError


def filled_by(kind):
    """Decorates the function that is fill_band where `behind` is of this class; its arguments have the same names."""

    def decorate(fill):
        @overload(fill_band)
        def _fill_band(dy, behind, into, start, rows, columns, filters):
            return fill if getattr(behind, "instance_class", None) is kind else None

        return fill

    return decorate


@kernel
def _weight_grad(task, thread, x, dy, source, c, views, panels):
    """With more threads than blocks, each block's cells are divided.

    source: None, or (behind, dz of each thread, totals of each task), see fill_band, where `dy` is further behind.
    """
    s, padded, view, panels = c.sizes, len(c.zeros), views[thread], panels[thread]
    if source is not None:
        source[2][task] = 0
    part = -(-len(c.at) // (c.parts * ROWS)) * ROWS
    g, k = task // c.parts, min(task % c.parts * part, len(c.at))
    at, partial0 = c.at[k : k + part], (g * len(c.at) + k) * padded
    seed, seed0, seed_step = c.zeros, 0, 0
    for unit in range(g * c.units // c.blocks, (g + 1) * c.units // c.blocks):
        n, i0 = unit // s.bands, unit % s.bands * s.band
        rows = min(s.band, s.y_height - i0)
        start = n * s.height * s.width * s.channels
        a, a0 = x, start + i0 * s.step * s.line
        if len(view):
            _fill_view(view, x, start, s, s.top + i0 * s.step, s.reach + (rows - 1) * s.step)
            a, a0 = view, 0
        b, b0, b_step = dy, (n * s.y_height + i0) * s.y_width * s.filters, s.filters
        if source is not None:
            behind, dz, totals = source
            fill_band(dy, behind, (dz[thread], totals[task]), b0, rows, s.y_width, s.filters)
            b, b0 = dz[thread], 0
        if len(panels):  # the filters are no whole vectors
            pack(Matrix(b, b0, b_step, 1, rows * s.y_width, s.filters), panels, 0, 0, rows * s.y_width)
            b, b0, b_step = panels, 0, 0
        cells = Left(a, a0, at, 0, len(at), s.step * s.line, c.column_step)
        pixels, sums = Right(b, b0, b_step, rows, s.y_width), Seed(seed, seed0, seed_step, NO_FLOOR)
        sweep(cells, pixels, sums, Into(c.partials, partial0, c.to, padded))
        seed, seed0, seed_step = c.partials, partial0, padded


@kernel
def _correlate(task, thread, x, c, epilogue, y, views, sums):
    s, (table, edges) = c.sizes, sums
    n, band = task // s.bands, task % s.bands
    start = (n * s.y_height + band * s.band * s.y_step) * s.y_width * s.filters
    correlate_band(x, n, band, c, epilogue, y, start, views[thread])
    if len(table):
        rows = min(s.band, s.y_height - band * s.band)
        chunk_sums(y, start, edges[:rows], edges[1 : rows + 1], s.filters, table[task])


@outer
def _pack(w, w_columns, s, phases, panels, flipped):
    _pack_filters(w, w_columns, s, phases, panels, flipped)


_library = load()


def least_bands(images, shares):
    """Bands per image that give so many threads something to do; only statistics depend on it."""
    return -(-2 * shares // images)


@lru_cache(512)
def integers(strides, pads) -> Geometry:
    """Strides and pads as Python's numbers."""
    (top, bottom), (left, right) = pads
    return (int(strides[0]), int(strides[1])), ((int(top), int(bottom)), (int(left), int(right)))


@lru_cache(512)
def output_shape(x_shape, w_shape, strides, pads):
    (n, h, w, _), (kh, kw, _, filters), ((top, bottom), (left, right)) = x_shape, w_shape, pads
    return n, (h + top + bottom - kh) // strides[0] + 1, (w + left + right - kw) // strides[1] + 1, filters


@lru_cache(512)
def forward_of(algorithm, x_shape, w_shape, strides, pads):
    """(strides, pads) as Python's numbers, y's shape, and "im2col" or "winograd"."""
    strides, pads = integers(strides, pads)
    shape = output_shape(x_shape, w_shape, strides, pads)
    return (strides, pads), shape, choose(algorithm, shape[1:3], w_shape[:2], strides, x_shape[3], shape[3])


@lru_cache(512)
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


def _sum_cells(plan, partials, x, dy, source, strides, room: tuple[np.ndarray, np.ndarray]):
    """dw of each block (blocks, KH KW C, whole vectors of filters) as `plan` says, and the parts of the cells.

    source: of `_weight_grad`; room: views and panels. `partials` holds the result.
    """
    sizes, at, to, _, _ = plan
    units, zeros, column_step = len(x) * sizes.bands, np.zeros(whole_vectors(sizes.filters), np.float32), x.shape[3]
    blocks, partials = min(units, BLOCKS), partials.reshape(-1)
    parts = -(-numba.get_num_threads() // blocks)
    c = Cells(sizes, units, strides[1] * column_step, at, to, blocks, parts, partials, zeros)
    _weight_grad(blocks * parts, *flats(x), dy, source, c, *room)
    return partials[: blocks * len(at) * len(zeros)].reshape(blocks, len(at), len(zeros)), parts


def weight_grad_alone(behind, dy, x, y_shape, w_shape, strides, pads, band: Two):
    """dw and db, where nobody else reads the gradient that `fill_band` makes of dy band after band.

    band: (most, multiple) of weight_grad_plan.
    """
    threads, filters = numba.get_num_threads(), y_shape[3]
    plan = weight_grad_plan(x.shape[1:], y_shape[1:], tuple(w_shape[:2]), strides, pads, *band)
    sizes, at, _, view, panels = plan
    blocks = min(len(x) * sizes.bands, BLOCKS)
    room = (threads, view, OWN), (threads, panels, OWN), (threads, sizes.band * sizes.y_width * filters, OWN)
    partials, views, packed, dz = memory.scratch((1, blocks * len(at) * whole_vectors(filters)), *room)
    totals = memory.empty((blocks * -(-threads // blocks), filters))
    sums, parts = _sum_cells(plan, partials, x, dy, (behind, dz, totals), strides, (views, packed))
    dw = memory.empty(tuple(w_shape))
    sums[..., :filters].sum(axis=0, out=dw.reshape(len(at), filters))  # in the order of the blocks
    return dw, totals[::parts].sum(axis=0)


def packed(plan, scratch, w, flipped):
    """The correlation that is planned, and what else `scratch` asks for: views, ...."""
    sizes, phases, reads, writes, _, _ = plan
    panels, *others = memory.scratch(*scratch)
    panels = panels.reshape(-1)
    _pack(*flats(w), w.shape[1], sizes, phases, panels, flipped)
    return Correlation(sizes, phases, reads, writes, panels), *others


def _forward(x, w, y, windows: Geometry, epilogue, stats=None):
    """y by im2col, and if `stats` is (mean, var), two arrays, these as well.  windows: strides and pads."""
    threads = numba.get_num_threads()
    shares = max(SHARES) if stats else threads  # a band's statistics are summed in one: so not by threads
    plan, scratch = _plan("forward", x.shape, y.shape, w.shape[:2], *windows, threads, shares)
    c, views = packed(plan, scratch, w, False)
    (images, height, width, filters), band, bands = y.shape, c.sizes.band, c.sizes.bands
    sums = NOTHING_SUMMED
    if stats:
        sums = sums_table(images * bands, filters), np.arange(band + 1) * (width * filters)
    _correlate(images * bands, *flats(x), c, epilogue, y.reshape(-1), views, sums)
    if stats:
        rows = np.full((images, bands), band)
        rows[:, -1] = height - (bands - 1) * band
        merge(sums[0], rows.ravel() * float(width), *stats)


def conv2d(x, w, b, *, strides, pads, relu=False, stats=False, algorithm="auto"):
    windows, shape, chosen = forward_of(algorithm, x.shape, w.shape, strides, pads)
    y, filters = memory.empty(shape), shape[3]
    mean_var = tuple(np.full((2, filters), np.nan, np.float32)) if stats else None
    if y.size and chosen == "winograd":
        winograd.convolve(x, w, y, winograd.finish(filters, b, relu), pads=windows[1], stats=mean_var)
    elif y.size:
        _forward(x, w, y, windows, epilogue(filters, b, relu), mean_var)
    return y if mean_var is None else (y, *mean_var)


def conv2d_folded(x, w, b, affine, *, conv, kept=None):
    algorithm, relu = conv.get("algorithm", "auto"), conv.get("relu", False)
    windows, shape, chosen = forward_of(algorithm, x.shape, w.shape, conv["strides"], conv["pads"])
    y, filters = memory.empty(shape), shape[3]
    if y.size and chosen == "winograd":
        winograd.convolve(x, w, y, winograd.finish(filters, b, relu, affine), pads=windows[1], kept=kept)
    elif y.size:
        _forward(x, w, y, windows, epilogue(filters, b, relu, affine))
    return y


def conv2d_input_grad(dy, w, x_shape, *, strides, pads, algorithm="auto"):
    strides, pads = integers(strides, pads)
    window, x_shape = w.shape[:2], tuple(x_shape)
    size = winograd.reached(dy.shape[1:3], window[0], pads, x_shape[1:3])
    chosen = choose(algorithm, size, window, strides, dy.shape[3], x_shape[3], "input_grad")
    dx = memory.empty(x_shape)
    if dx.size == 0:
        return dx
    if chosen == "winograd":
        return winograd.convolve(dy, w, dx, winograd.nothing(x_shape[3]), pads=pads, turned=True)
    threads = numba.get_num_threads()
    plan, scratch = _plan("input_grad", x_shape, dy.shape, window, strides, pads, threads, threads)
    c, views = packed(plan, scratch, w, True)
    _correlate(len(dy) * c.sizes.bands, *flats(dy), c, nothing(x_shape[3]), dx.reshape(-1), views, NOTHING_SUMMED)
    return dx


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
    plan, scratch = _plan("weight_grad", x.shape, dy.shape, window, strides, pads, threads, threads)
    partials, views, panels = memory.scratch(*scratch)
    sums, _ = _sum_cells(plan, partials, x, *flats(dy), None, strides, (views, panels))
    return sum_blocks(sums, dw)
