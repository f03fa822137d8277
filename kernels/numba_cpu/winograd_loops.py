"""Winograd's convolution as compiled loops; what they compute and why stands in winograd.py.

      filters_to_points    w, window by window       --> U
      correlate            x, block of tiles by block --> V --> M --> tiles of y --> pooling, dropout, statistics
      weight_grad          x, dy, block by block     --> V, E --> dU --> dw

A block's V and M lie in the scratch memory of the thread that works on it.
"""

from typing import NamedTuple

import numpy as np

from .channel_stats import chunk_sums
from .codegen.jit import inner
from .codegen.microkernel import LANES, LINE, ROWS, SHORT, TILE, WIDTH, Matrix, copy_floats, pack, tiles
from .codegen.microkernel_gemm import Coming, Factor, Lines, Target, product_kernel
from .codegen.winograd_transforms import (
    BACK,
    FILTERS,
    FILTERS_BACK,
    OUTPUTS,
    Behind,
    From,
    To,
    address_of,
    last_lines,
    lines,
)
from .pool2x2 import Pooling, drop_piece, drop_rows, pool_floats, pool_rows, pool_vector, scale_row
from .runtime.thread_pool import kernel, parallel, parallel_for

DEPTH = 32  # channels whose products are summed in registers
SEGMENT = 2  # tiles side by side whose columns are transformed together; of more, these would leave the L1 cache
POINT_TASKS = 16  # of the filters' transform
GRADIENT_ROWS = min(TILE.rows, 8)  # rows are channels here: 8 divide them, 14 would leave rows idle


class Grid(NamedTuple):
    """An image's tiles: how patches of a side lie in it, and how their points lie in memory.

    Tile (i, j) reads or writes pixels from (tile*i - top, tile*j - left) on. Point p of the block's tile t is `padded`
    floats at p*point + t*padded: the matrix that a product reads or writes is one piece of memory.
    """

    height: int
    width: int
    channels: int
    top: int
    left: int
    rows: int  # of tiles
    columns: int
    tile: int  # pixels from one tile to the next: outputs along its side
    padded: int  # the channels in whole vectors
    point: int  # floats from one point to the next


class Tiling(NamedTuple):
    """Number and points of the variant, the grids of x (V) and of y (M, E), the number of tiles in all and in a block,
    and floats from point to point in U.
    """

    which: int
    side: int
    xg: Grid
    yg: Grid
    count: int
    block: int
    u_line: int


class Finish(NamedTuple):
    """What becomes of a tile of y: bias, scale and shift in whole vectors, from the second on of four; -inf or with a
    ReLU 0; the pooling.
    """

    vectors: np.ndarray
    floor: np.float32
    pooling: Pooling


class Memory(NamedTuple):
    """U, or for each thread dU; a row of zeros; for each thread two tables of addresses, V, M or E, what is between a
    transform's columns and rows, pixels or a tile of y, and images of y, if a block has whole ones.
    """

    u: np.ndarray
    zeros: np.ndarray
    tables: np.ndarray
    v: np.ndarray
    m: np.ndarray
    temp: np.ndarray
    spare: np.ndarray
    images: np.ndarray


class Sums(NamedTuple):
    """The statistics of y, a row per block, or none; room for where a thread's runs start and end; a block's pixels."""

    table: np.ndarray
    runs: np.ndarray
    pixels: np.ndarray


@inner
def _room(memory, t):
    """What a thread has of the memory for a transform: temp, spare, zeros and two tables of addresses."""
    return memory.temp[t], memory.spare[t], memory.zeros, memory.tables[t, 0], memory.tables[t, 1]


@inner
def _clear(x, start, end):
    part = x[start:end]
    for k in range(part.size):
        part[k] = 0


@inner
def _place(g, t):
    """Of tile t: its image, and the row and column of pixels where it begins if nothing is padded."""
    n, ij = t // (g.rows * g.columns), t % (g.rows * g.columns)
    return n, ij // g.columns * g.tile, ij % g.columns * g.tile


@inner
def _together(g, t, last):
    """How many of the tiles t..last lie side by side, from t on."""
    return min(g.columns - t % (g.rows * g.columns) % g.columns, last - t)


@inner
def _point_rows(table, x, first, step):
    """The table of addresses of x[first], x[first + step], ..."""
    for k in range(table.size):
        table[k] = address_of(x, first + k * step)


@inner
def _pixel_rows(table, x, g, n, h, columns, room):
    """The table of image rows h, h+1, ...; columns (first, count): zeros where there are none.

    Whole vectors are read, also where the channels are none. What follows is the next pixel, but after the last one
    nothing: such rows are copied.
    """
    (w, count), (_, spare, zeros, _, _) = columns, room
    for r in range(table.size):
        start = ((n * g.height + h + r) * g.width + w) * g.channels
        if not 0 <= h + r < g.height:
            table[r] = address_of(zeros, 0)
        elif start + (count - 1) * g.channels + g.padded > len(x):
            copy = r * (count * g.channels + g.padded)
            copy_floats(spare, copy, x, start, count * g.channels)
            table[r] = address_of(spare, copy)
        else:
            table[r] = address_of(x, start)


@inner
def _spread(transform, x, g, tile, last, v, room):
    """From tiles to points: v = M d M' for the patches d (size, size) of tiles tile..last.  transform: (M, size, side).

    Patches side by side share columns: those of up to SEGMENT tiles are transformed together.

        pixels of a segment      columns done          rows done: each patch on its own
        +---------------+        | | | | | | | |       +-----+
        |               |  --->  | | | | | | | |  -->  |  +-----+
        |               |        | | | | | | | |       |  |  +-----+
        +---------------+        | | | | | | | |       +--|  |     |
    """
    (which, size, side), (temp, _, _, table, columns) = transform, room
    t, column = tile, side * LANES
    _point_rows(columns[:size], temp, 0, column)
    while t < last:
        (n, h, w), together = _place(g, t), min(_together(g, t, last), SEGMENT)
        h, w = h - g.top, w - g.left
        width = (together - 1) * g.tile + size
        left = min(max(-w, 0), width)
        right = max(min(g.width - w, width), left)
        if right > left:
            _pixel_rows(table[:size], x, g, n, h, (w + left, right - left), room)
        _clear(temp, 0, left * column)
        _clear(temp, right * column, width * column)
        for c in range(0, g.padded, LANES):
            lines(which, right - left, To(temp, left * column, column, LANES), From(table, c, g.channels))
            for k in range(together):
                to = To(v, (t + k - tile) * g.padded + c, side * g.point, g.point)
                lines(which, side, to, From(columns, k * g.tile * column, LANES))
        t += together


@inner
def _gather(tiling, m, tiles, panel, y, pools, finish, room):
    """From points to tiles tile..last, with the epilogue, for filters first..first+width.

    pools: y holds the greatest of each 2x2 pixels. Then g's size and its tiles' are even.
    """
    which, side, g, (tile, last), (first, width) = tiling.which, tiling.side, tiling.yg, tiles, panel
    (temp, spare, _, table, columns), (vectors, floor, pooling), column = room, finish, g.tile * LANES
    _point_rows(table[:side], m, 0, side * g.point)
    _point_rows(columns[:side], temp, 0, column)
    for t in range(tile, last):
        n, h, w = _place(g, t)
        rows, used = min(g.tile, g.height - h), min(g.tile, g.width - w)
        y0 = ((n * g.height + h) * g.width + w) * g.channels + first
        if pools:
            y0 = ((n * g.height + h) // 2 * (g.width // 2) + w // 2) * g.channels + first
        for o in range(0, width, LANES):
            lines(which + BACK, side, To(temp, 0, column, LANES), From(table, (t - tile) * g.padded + o, g.point))
            filters, line = min(LANES, g.channels - first - o), len(vectors) // 4
            if filters == LANES and not pools:
                to = To(y, y0 + o, g.width * g.channels, g.channels)
                behind = Behind(used, spare, vectors, line, first + o, floor)
                last_lines(which, rows, to, From(columns, 0, LANES), behind)
            else:
                behind = Behind(g.tile, spare, vectors, line, first + o, floor)
                last_lines(which, rows, To(spare, 0, column, LANES), From(columns, 0, LANES), behind)
                if not pools:
                    for r in range(rows):
                        for q in range(used):
                            at = y0 + o + (r * g.width + q) * g.channels
                            copy_floats(y, at, spare, r * column + q * LANES, filters)
                else:
                    argmax = pooling.argmax
                    if len(pooling.scale):
                        for r in range(rows):
                            scale_row(spare, r * column, column, pooling.scale[h + r], pooling.shift[h + r])
                    for r in range(0, rows, 2):
                        for q in range(0, used, 2):
                            at = y0 + o + (r // 2 * (g.width // 2) + q // 2) * g.channels
                            if filters == LANES:
                                pool_vector(spare, r * column + q * LANES, LANES, column, y, argmax, at)
                            else:
                                pool_floats(spare, r * column + q * LANES, LANES, column, filters, y, argmax, at)


@inner
def _square(transform, y, y0, y_step, x, x0, x_step, room):
    """y (side, side) = M x M', squares of vectors; from one vector to the next are so many floats."""
    (which, size, side), (temp, _, _, table, columns) = transform, room
    _point_rows(table[:size], x, x0, size * x_step)
    _point_rows(columns[:size], temp, 0, side * LANES)
    lines(which, size, To(temp, 0, side * LANES, LANES), From(table, 0, x_step))
    lines(which, side, To(y, y0, side * y_step, y_step), From(columns, 0, LANES))


@inner
def _reach(g, tile, size):
    """Where the last image row that the tile's patch reads ends in x."""
    n, h, _ = _place(g, tile)
    return (n * g.height + min(max(h - g.top + size, 0), g.height)) * g.width * g.channels


@inner
def _news(g, tile, last, size):
    """Where in x begins and ends what tiles tile..last read and the tiles before them did not."""
    return (_reach(g, tile - 1, size), _reach(g, last - 1, size)) if tile < last else (0, 0)


@inner
def _share(piece, turn, turns, slots):
    """Where the part of a piece of memory begins that is asked for in this turn, one of every two; and how many floats
    apart the `slots` requests are.

    Patches are short rows far from each other, which the CPU does not foresee; the products before them leave the
    memory idle for long enough. But a request for memory takes the place of one for the L2 cache, of which the products
    make many, and few fit in: a burst of them between two products costs more than it brings, one now and then nothing.
    """
    (start, end), parts = piece, (turns + 1 - turn % 2) // 2
    return start + (end - start) * (turn // 2) // parts, -(-(end - start) // (parts * slots))


_tile, _add_tile = product_kernel(ROWS, SHORT), product_kernel(GRADIENT_ROWS, GRADIENT_ROWS)


@inner
def _product(tiling, point, heights, panel, points, ahead):
    """M (count, width) = V U for one point: V (count, C), U (C, width) in panels of at most WIDTH.

    The micro-kernel takes `tall` tiles of ROWS rows, then short ones, and DEPTH channels at a time: a sum's rounding
    error grows with the number of its terms. For 64 channels this makes it .8 times as large, and takes 1.02 as long.
    Whole tiles: V and M have rows for them, of which those after `count` hold anything. Meanwhile come the next rows of
    V, the same panel of the next point's U, and x from `far` on.
    """
    xg, yg, u_line = tiling.xg, tiling.yg, tiling.u_line
    (tall, short), (o, panel_width), (u, v, m), (x, far, far_step) = heights, panel, points, ahead
    v0, u0, m0 = point * xg.point, point * u_line + o * xg.channels, point * yg.point
    done, row, to = 0, xg.padded, yg.padded
    while done < panel_width:
        width, a, y = WIDTH if panel_width - done > WIDTH - LANES else LANES, v0, m0 + done
        for n in range(tall + short):
            height, b_ahead = ROWS if n < tall else SHORT, u_line + n % 2 * LINE
            for c in range(0, xg.channels, DEPTH):
                depth, b, near = min(DEPTH, xg.channels - c), u0 + c * width, a + height * row + c * LINE
                left, right, sums = Factor(v, a + c, row, 1), Lines(u, b, width, depth), Target(m, y, to, c)
                _tile(width == WIDTH, n < tall, left, right, sums, Coming(near, b_ahead, x, far, far_step))
                far += depth * far_step
            a, y = a + height * row, y + height * to
        done += width
        u0 += width * xg.channels


@inner
def _add_product(tiling, point, count, points, ahead):
    """dU (C, O) += V' E for one point: V (count, C), E (count, O). dU has rows for whole tiles, whatever is in them."""
    xg, yg, (u, v, e), (x, far, far_step) = tiling.xg, tiling.yg, points, ahead
    v0, e0, u0, o = point * xg.point, point * yg.point, point * tiling.u_line, 0
    while o < yg.padded:
        width = WIDTH if yg.padded - o > WIDTH - LANES else LANES
        for c in range(0, xg.channels, GRADIENT_ROWS):
            y, n = u0 + c * yg.padded + o, c // GRADIENT_ROWS
            near, e_ahead = v0 + xg.point + n * count * LINE, yg.point + n % 2 * LINE
            left, right = Factor(v, v0 + c, 1, xg.padded), Lines(e, e0 + o, yg.padded, count)
            sums = Target(u, y, yg.padded, 1)
            _add_tile(width == WIDTH, True, left, right, sums, Coming(near, e_ahead, x, far, far_step))
            far += count * far_step
        o += width


@inner
def _forward(tiling, x, tiles_of, y, pools, finish, memory, t):
    """Tiles tile..last of y; meanwhile the patches up to tile `following` come into the cache."""
    (tile, last, following), side, xg, yg = tiles_of, tiling.side, tiling.xg, tiling.yg
    padded, points, (tall, short) = len(finish.vectors) // 4, side * side, tiles(last - tile)
    panels, slots = -(-padded // WIDTH), (tall + short) * xg.channels
    v, m, room = memory.v[t], memory.m[t], _room(memory, t)
    uvm = memory.u, v, m
    _spread((tiling.which, side, side), x, xg, tile, last, v, room)
    news, target = _news(xg, last, following, side), (_reach(yg, tile, 0), _reach(yg, last - 1, yg.tile))
    if pools:
        target = target[0] // 4, target[1] // 4
    for o in range(0, padded, WIDTH):
        panel = o, min(WIDTH, padded - o)
        for p in range(points):  # meanwhile comes what the next tiles read and what these will write, by turns
            turn = o // WIDTH * points + p
            other, piece = (x, news) if turn % 2 else (y, target)
            far, far_step = _share(piece, turn, panels * points, slots)
            _product(tiling, p, (tall, short), panel, uvm, (other, far, far_step))
        _gather(tiling, m, (tile, last), panel, y, pools, finish, room)


@inner
def _block_sums(y, g, tile, last, runs, sums):
    """The sums of y's tiles tile..last, which were just written, and their pixels.

    Tiles side by side are one piece of each row; runs (2, block * tile) has room for where these start and end.
    """
    starts, ends, k, t, pixels = runs[0], runs[1], 0, tile, 0
    while t < last:
        (n, h, w), together = _place(g, t), _together(g, t, last)
        count = min(together * g.tile, g.width - w)
        for r in range(h, min(h + g.tile, g.height)):
            starts[k] = ((n * g.height + r) * g.width + w) * g.channels
            ends[k] = starts[k] + count * g.channels
            pixels += count
            k += 1
        t += together
    chunk_sums(y, 0, starts[:k], ends[:k], g.channels, sums)
    return pixels


@inner
def _backward(tiling, x, dy, first, last, dw, memory, t):
    """dw (lines of whole vectors) from tiles first..last."""
    which, side, xg, yg, u_line = tiling.which, tiling.side, tiling.xg, tiling.yg, tiling.u_line
    points, taps, length = side * side, side + 1 - yg.tile, xg.channels * yg.padded
    tasks = -(-yg.padded // WIDTH) * -(-xg.channels // GRADIENT_ROWS)
    u, v, e, room = memory.u[t], memory.v[t], memory.m[t], _room(memory, t)
    uve = u, v, e
    _clear(u, 0, points * u_line)
    for tile in range(first, last, tiling.block):
        end, following = min(tile + tiling.block, last), min(tile + 2 * tiling.block, last)
        slots = tasks * (end - tile)
        _spread((which, side, side), x, xg, tile, end, v, room)
        _spread((which + OUTPUTS, yg.tile, side), dy, yg, tile, end, e, room)
        news, news_dy = _news(xg, end, following, side), _news(yg, end, following, yg.tile)
        for p in range(points):  # meanwhile comes what the next tiles read of x and of dy, by turns
            other, piece = (x, news) if p % 2 else (dy, news_dy)
            far, far_step = _share(piece, p, points, slots)
            _add_product(tiling, p, end - tile, uve, (other, far, far_step))
    for k in range(0, length, LANES):  # dw = G' u G, the same for every (c, o)
        _square((which + FILTERS_BACK, side, taps), dw, k, length, u, k, u_line, room)


@inner
def _pack_cells(w, cells, depth, filters, turned, panels):
    """All cells of the window as panels (depth, filters), in order, or `turned` by 180 degrees and w transposed."""
    length = -(-filters // LANES) * LANES * depth
    for cell in range(cells):
        k_step, o_step, place = (1, depth, cells - 1 - cell) if turned else (filters, 1, cell)
        pack(Matrix(w, cell * depth * filters, k_step, o_step, depth, filters), panels, place * length, 0, depth)
    return length


@inner
def _points_task(k, t, tiling, taps, length, tasks, panels, memory):
    """u = G w G', the same for every (c, o): the panels keep their order.  Task k of `tasks`."""
    vectors, transform, room = length // LANES, (tiling.which + FILTERS, taps, tiling.side), _room(memory, t)
    for v in range(vectors * k // tasks * LANES, vectors * (k + 1) // tasks * LANES, LANES):
        _square(transform, memory.u, v, tiling.u_line, panels, v, length, room)


@inner
def _drop_tiles(y, argmax, g, tile, last, dropout):
    """Dropout of tiles tile..last: those side by side are one piece of each row of y."""
    t, line = tile, g.width // 2 * g.channels
    words = np.empty(line + 8, np.uint32)
    while t < last:
        (n, h, w), together = _place(g, t), _together(g, t, last)
        count = min(together * g.tile, g.width - w) // 2 * g.channels
        for r in range(h // 2, min(h + g.tile, g.height) // 2):
            to = (n * g.height // 2 + r) * line + w // 2 * g.channels
            drop_piece(y, argmax, to, count, words, dropout)
        t += together


@kernel
def correlate(k, t, x, y, tiling, finish, memory, sums):
    """A block of tiles of y, and what is to be done with them while they are in the cache.

    With 2x2 max-pooling tile by tile; if memory.images has room for it, image by image, as odd tiles need it.
    """
    xg, yg, block, pooling = tiling.xg, tiling.yg, tiling.block, finish.pooling
    tile, per_image, pools, whole = k * block, yg.rows * yg.columns, len(pooling.argmax) > 0, memory.images.shape[1] > 0
    last, following = min(tile + block, tiling.count), min(tile + 2 * block, tiling.count)
    if whole:  # the block's first image is number 0 of `here` and of z
        n = tile // per_image
        here, z, skipped = x[n * xg.height * xg.width * xg.channels :], memory.images[t], tile
    else:
        n, here, z, skipped = 0, x, y, 0
    tiles_of = tile - skipped, last - skipped, following - skipped
    _forward(tiling, here, tiles_of, z, pools and not whole, finish, memory, t)
    if whole:
        rows, line = (last - tile) // per_image * yg.height, yg.width // 2 * yg.channels
        to = n * yg.height // 2 * line
        pool_rows(z, yg.width, yg.channels, 0, rows, y, pooling, to)
        if pooling.dropout.on:
            drop_rows(y, pooling.argmax, to, line, rows // 2, pooling.dropout)
    elif pooling.dropout.on:
        _drop_tiles(y, pooling.argmax, yg, tile, last, pooling.dropout)
    if len(sums.table):
        sums.pixels[k] = _block_sums(y, yg, tile, last, sums.runs[t], sums.table[k])


@kernel
def weight_grad(g, t, x, dy, tiling, blocks, partials, memory):
    first, last = g * tiling.count // blocks, (g + 1) * tiling.count // blocks
    _backward(tiling, x, dy, first, last, partials[g], memory, t)


@parallel
def filters_to_points(tiling, taps, w, filters, turned, panels, memory):
    length = _pack_cells(w, taps * taps, tiling.xg.channels, filters, turned, panels)
    tasks = min(POINT_TASKS, length // LANES)
    parallel_for(_points_task, tasks, (tiling, taps, length, tasks, panels, memory))
