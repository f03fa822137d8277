"""Host side of optimizer.cu: the rates are computed in double and sent as floats.

The first rate may instead be a float32 array on the device, of the numbers in the order of the arguments: the kernel
reads those that change from step to step there, and the numbers given for them are ignored. A recorded step needs that.
"""

from .launch import THREADS, blocks


def _step(gpu, kernel, arrays, rate, *numbers):
    """Run over the elements of the arrays (p first); every kernel's arguments end with `device_args`."""
    rate, device_args = (0.0, rate) if getattr(rate, "shape", ()) else (rate, None)
    size = arrays[0].size
    gpu("optimizer", kernel, blocks(size), THREADS, *arrays, size, rate, *numbers, device_args)


def sgd_step(gpu, p, g, slots, *, lr, momentum, nesterov):
    _step(gpu, "sgd_step", (p, g, *slots), lr, momentum, int(nesterov))


def rmsprop_step(gpu, p, g, slots, *, lr, rho, momentum, eps):
    _step(gpu, "rmsprop_step", (p, g, *slots), lr, 1 - rho, momentum, eps)


def adam_step(gpu, p, g, slots, *, rate, beta_1, beta_2, eps):
    _step(gpu, "adam_step", (p, g, *slots), rate, 1 - beta_1, 1 - beta_2, eps)


def adagrad_step(gpu, p, g, slots, *, lr, eps):
    _step(gpu, "adagrad_step", (p, g, *slots), lr, eps)


def adadelta_step(gpu, p, g, slots, *, lr, rho, eps):
    _step(gpu, "adadelta_step", (p, g, *slots), lr, 1 - rho, eps)


def adamax_step(gpu, p, g, slots, *, rate, beta_1, beta_2, eps):
    _step(gpu, "adamax_step", (p, g, *slots), rate, 1 - beta_1, beta_2, eps)


def nadam_step(gpu, p, g, slots, *, lr, scales, beta_1, beta_2, eps):
    _step(gpu, "nadam_step", (p, g, *slots), lr, *scales, 1 - beta_1, 1 - beta_2, eps)


def lion_step(gpu, p, g, slots, *, lr, beta_1, beta_2):
    _step(gpu, "lion_step", (p, g, *slots), lr, beta_1, 1 - beta_1, beta_2, 1 - beta_2)


def ftrl_step(gpu, p, g, slots, *, lr, power, penalties, beta):
    l1, l2, shrinkage = penalties
    _step(gpu, "ftrl_step", (p, g, *slots), lr, power, int(power == 0.5), l1, 2 * l2, 2 * shrinkage, beta)
