"""The sentence for a full memory: the batch size that it names really fits, and the next round one does not."""

import pytest

from minicnn.backend.memory_message import SPARE, amount, batch_that_fits, out_of_memory
from minicnn.errors import DeviceError, DeviceMemoryError, MinicnnError

ROUND = sorted({2**k for k in range(14)} | {3 * 2**k for k in range(13)})


@pytest.mark.parametrize("batch_size", [2, 7, 86, 100, 256, 1024, 4096])
@pytest.mark.parametrize("fixed", [0, 10**6, 3 * 10**8])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.77, 0.99])
def test_the_largest_round_batch_that_fits(batch_size, fixed, share):
    per_image = 1_234_567
    needed = fixed + batch_size * per_image
    free = int(share * needed)
    fits = batch_that_fits(needed, free, batch_size, per_image)
    good = [n for n in ROUND if n < batch_size and fixed + n * per_image <= int(SPARE * free)]
    assert fits == max(good, default=0)


def test_a_batch_that_failed_is_never_offered_again():
    assert batch_that_fits(100, 10**9, 64, 1) == 48  # enough in all, but in pieces
    assert batch_that_fits(100, 10**9, 86, 1) == 64
    assert batch_that_fits(100, 10**9, 1, 1) == 0
    assert batch_that_fits(100, 50, 8, 0) == 0  # nothing grows with the batch


def test_the_sentence():
    gib = 2**30
    assert out_of_memory("GPU 0", 6 * gib, 3 * gib // 2, 1024, 5 * 2**20) == (
        "GPU 0: expected 6.0 GiB of memory for a step of 1024 images, received 1.5 GiB free; use batch_size=64"
    )
    assert out_of_memory("GPU 0", 6 * gib, 0, 64, 1).endswith(
        "received 0 B free; end other programs that use the device (nvidia-smi lists them), or make the model smaller"
    )


def test_amounts():
    assert [amount(n) for n in (0, 1023, 1024, 1536 * 2**20, 5 * 2**50)] == [
        "0 B", "1023 B", "1.0 KiB", "1.5 GiB", "5120.0 TiB",
    ]  # fmt: skip


def test_the_error_is_what_a_user_would_catch():
    assert issubclass(DeviceMemoryError, MemoryError)
    assert issubclass(DeviceMemoryError, DeviceError)
    assert issubclass(DeviceMemoryError, MinicnnError)
