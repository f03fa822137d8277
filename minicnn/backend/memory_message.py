"""The message of a full device: how much was wanted, how much there is, and the batch that fits."""

SPARE = 0.95  # of the free bytes: memory is handed out in pieces, and some of it is lost between them
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def batch_that_fits(needed: int, free: int, batch_size: int, per_image: int) -> int:
    """The largest round number below `batch_size` at which a step fits into SPARE * free bytes; 0: not even one does.

    A step of n images takes needed - (batch_size - n) * per_image bytes. Round are the powers of two and the numbers
    half-way between them: 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, ...

    needed     bytes that the step at `batch_size` takes
    free       bytes that are there for it
    per_image  bytes that one image more takes: what of `needed` grows with the batch
    """
    excess = needed - int(SPARE * free)
    fewer = -(-excess // max(per_image, 1))  # rounded up
    return max(_round_numbers(batch_size - max(fewer, 1)), default=0)


def _round_numbers(largest: int):
    n = 1
    while n <= largest:
        yield n
        if n % 2 == 0 and n + n // 2 <= largest:
            yield n + n // 2
        n *= 2


def out_of_memory(where: str, needed: int, free: int, batch_size: int, per_image: int) -> str:
    """The sentence for errors.DeviceMemoryError.  Arguments as for `batch_that_fits`; where: the device, for people."""
    fits = batch_that_fits(needed, free, batch_size, per_image)
    advice = (
        f"use batch_size={fits}" if fits
        else "end other programs that use the device (nvidia-smi lists them), or make the model smaller"
    )  # fmt: skip
    return (
        f"{where}: expected {amount(needed)} of memory for a step of {batch_size} images, "
        f"received {amount(free)} free; {advice}"
    )


def amount(size: int) -> str:
    """1610612736 -> '1.5 GiB'."""
    shown, unit = float(size), 0
    while shown >= 1024 and unit < len(UNITS) - 1:
        shown, unit = shown / 1024, unit + 1
    return f"{shown:.0f} {UNITS[unit]}" if unit == 0 else f"{shown:.1f} {UNITS[unit]}"
