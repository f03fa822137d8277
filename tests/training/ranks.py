"""Several ranks without MPI: a thread each, which add their arrays up and wait for one another."""

import threading

import numpy as np

from minicnn import World

SECONDS = 60


def threads(size: int) -> list[World]:
    """The worlds of `size` ranks."""
    barrier, given = threading.Barrier(size), [None] * size

    def exchanged(rank, array, combine):
        given[rank] = np.array(array)
        barrier.wait(SECONDS)
        result = combine([*given])
        barrier.wait(SECONDS)  # all have read: the next call may write
        return result

    def total(arrays):
        result = arrays[0].copy()
        for array in arrays[1:]:
            result += array
        return result

    def first(arrays):
        return arrays[0].copy()

    return [
        World(rank, size, lambda a, r=rank: exchanged(r, a, total), lambda a, r=rank: exchanged(r, a, first))
        for rank in range(size)
    ]


def run(size: int, train) -> list:
    """[train(world) for each rank], side by side; the first error of rank 0, else of another, is raised."""
    results, errors = [None] * size, [None] * size

    def one(world):
        try:
            results[world.rank] = train(world)
        except BaseException as error:
            errors[world.rank] = error

    running = [threading.Thread(target=one, args=(world,)) for world in threads(size)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(SECONDS)
    found = [error for error in errors if error is not None]
    if found:
        raise found[0]
    return results
