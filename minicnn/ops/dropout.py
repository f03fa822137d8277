"""Dropout without a mask: the counted random stream is read again in backward."""

from ..core.op import op
from ..errors import ArgumentError, require


@op
def dropout(be, x, *, rate, key):
    """y = x / (1 - rate) with probability 1 - rate, else 0, element by element.  x any shape.

    key (seed, step, stream) fixes every decision. Kept for backward: the key alone.
    Source: Srivastava et al. 2014, "Dropout"; scaled in training, so that inference is the identity.
    """
    require(0 <= rate <= 1, "dropout", "a rate from 0 to 1", rate, error=ArgumentError)
    if rate == 1:
        return be.xp.zeros_like(x), lambda dy, needs: (be.xp.zeros_like(dy),)
    return be.dropout(x, rate=rate, key=key), lambda dy, needs: (be.dropout(dy, rate=rate, key=key),)
