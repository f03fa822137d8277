"""Adafactor."""

import math
from typing import Any

from ..aliases import RateLike
from ..arguments import flag, number
from .base import Optimizer


class Adafactor(Optimizer):
    """Adam's second moment from its rows and columns alone, and steps in proportion to the weights.

        b = 1 - t^beta_2_decay,  G = g^2 + epsilon_1;  of weights with two axes or more
        r += (1 - b) (mean of G over the last axis - r);   c += (1 - b) (mean of G over the last but one - c)
        v = r c / (mean of r over its last axis);          of others  v += (1 - b) (G - v)
        u = g / sqrt(v),  p -= a u / max(1, rms(u) / clip_threshold),   a = max(epsilon_2, rms(p)) min(lr, 1 / sqrt t)

    rms(x) = sqrt(mean x^2) of a weight. relative_step changes nothing, as in Keras: the rate is bound by 1 / sqrt t.
    Source: Shazeer & Stern 2018, "Adafactor: adaptive learning rates with sublinear memory cost" (arXiv 1804.04235).
    Differs from Keras: r and c take as much memory as the weights, and its files take no state of Adafactor over;
    a weight whose row and column have no gradient stays in float32, where Keras's is no longer a number.
    """

    slots = ("r", "c", "v")
    config = ("beta_2_decay", "epsilon_1", "epsilon_2", "clip_threshold", "relative_step")

    def __init__(self, learning_rate: RateLike = 0.001, beta_2_decay: float = -0.8, epsilon_1: float = 1e-30,
                 epsilon_2: float = 1e-3, clip_threshold: float = 1.0, relative_step: bool = True,
                 **kwargs: Any):  # fmt: skip
        super().__init__(learning_rate, **kwargs)
        self.beta_2_decay = number("Adafactor: beta_2_decay", beta_2_decay, high=0)
        self.epsilon_1 = number("Adafactor: epsilon_1", epsilon_1, low=0)
        self.epsilon_2 = number("Adafactor: epsilon_2", epsilon_2, low=0)
        self.clip_threshold = number("Adafactor: clip_threshold", clip_threshold, above=0)
        self.relative_step = flag("Adafactor: relative_step", relative_step)

    def update(self, be: Any, p: Any, g: Any, slot: Any, lr: float, t: int) -> None:
        xp, kept = be.xp, 1 - t**self.beta_2_decay
        rate, tiny = min(lr, 1 / math.sqrt(t)), float(xp.finfo(be.dtype).tiny)  # v is 0 where r c is below it: d is 0
        for i, weight in enumerate(self.params):
            shape = weight.shape
            w, d, r, c, v = (self._piece(a, i).reshape(shape) for a in (p, g, slot.r, slot.c, slot.v))
            square = xp.square(d) + self.epsilon_1
            if len(shape) > 1:  # r, c: the same number all along the axis that it has not
                r += (1 - kept) * (square.mean(axis=-1, keepdims=True) - r)
                c += (1 - kept) * (square.mean(axis=-2, keepdims=True) - c)
                rows = r[..., :1]
                v[...] = rows / rows.mean(axis=-2, keepdims=True) * c[..., :1, :]
            else:
                v += (1 - kept) * (square - v)
            u = d / xp.sqrt(xp.maximum(v, tiny))
            size = xp.maximum(xp.sqrt(xp.square(w).mean()), self.epsilon_2)
            w -= (rate * size / xp.maximum(xp.sqrt(xp.square(u).mean()) / self.clip_threshold, 1)).astype(be.dtype) * u
