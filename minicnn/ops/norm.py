"""Batch normalisation over any axis."""

from typing import Any

from ..core.op import op
from ..core.sharing import sharing
from ..errors import require


def _check(x, gamma, axis):
    require(
        x.ndim >= 2 and x.shape[axis] == gamma.shape[0], "batch_norm",
        f"x with {gamma.shape[0]} channels along axis {axis}", x.shape,
    )  # fmt: skip


@op
def batch_norm(be: Any, x: Any, gamma: Any, beta: Any, *, axis: int = -1, eps: float = 1e-3) -> tuple[Any, Any]:
    """y = gamma (x - mean) / sqrt(var + eps) + beta with the batch's own mean and population variance (training).

    x (..., C, ...), gamma, beta (C,) -> y like x; aside: mean (C,), var (C,), without gradients of their own.
    Kept for backward: x, mean, var, gamma. The formulas stand in kernels/numpy_ref/norm.py.
    Source: Ioffe & Szegedy 2015, "Batch normalization", algorithm 1.
    """
    _check(x, gamma, axis)
    x3 = be.as_acb(x, axis)  # (A, C, B)
    mean, var = be.batch_norm_stats(x3)
    y = be.batch_norm(x3, mean, var, gamma, beta, eps=eps)
    return (y.reshape(x.shape), mean, var), _vjp(be, x, x3, mean, var, gamma, eps, batch_stats=True)


@op
def batch_norm_shared(be: Any, x: Any, gamma: Any, beta: Any, *, axis: int = -1, eps: float = 1e-3) -> tuple[Any, Any]:
    """batch_norm of a batch of which other processes have the other rows: mean and var are those of all of them.

        mean = sum_r w_r mean_r,  var = sum_r w_r (var_r + (mean_r - mean)^2)    w_r: rank r's share of the rows
        dx = gamma / sqrt(var + eps) (dy - B/m - xhat G/m),  B = sum_r w_r dbeta_r,  G = sum_r w_r dgamma_r

    dy, dx, dgamma, dbeta: of the mean over this rank's rows, m values per channel; whoever adds ranks up weighs by w_r.
    Processes that are not in one step of a training are alone, and see batch_norm.
    Source: Chan, Golub & LeVeque 1983, "Algorithms for computing the sample variance", for the sum of variances.
    """
    _check(x, gamma, axis)
    x3, ranks = be.as_acb(x, axis), sharing()
    mean, var = be.batch_norm_stats(x3)
    if ranks is not None:
        mean, var = ranks.moments(be, mean, var)
    y = be.batch_norm(x3, mean, var, gamma, beta, eps=eps)

    def vjp(dy, needs):
        dy3 = dy.reshape(x3.shape)
        dx, dgamma, dbeta = be.batch_norm_grad(dy3, x3, mean, var, gamma, eps=eps, batch_stats=False)
        g, b = (dgamma, dbeta) if ranks is None else ranks.weighed(be, dgamma, dbeta)
        m, inv_std = x3.shape[0] * x3.shape[2], 1 / be.xp.sqrt(var + eps)
        xhat = (x3 - mean[:, None]) * inv_std[:, None]
        dx = dx - ((b / m)[:, None] + xhat * (g / m)[:, None]) * (gamma * inv_std)[:, None]
        return dx.reshape(x.shape), dgamma, dbeta

    return (y.reshape(x.shape), mean, var), vjp


@op
def batch_norm_fixed(be: Any, x: Any, gamma: Any, beta: Any, mean: Any, var: Any, *, axis: int = -1,
                     eps: float = 1e-3) -> tuple[Any, Any]:  # fmt: skip
    """The same map with a given mean (C,) and var (C,): constants, such as the moving averages (inference)."""
    _check(x, gamma, axis)
    x3 = be.as_acb(x, axis)
    y = be.batch_norm(x3, mean, var, gamma, beta, eps=eps)
    vjp = _vjp(be, x, x3, mean, var, gamma, eps, batch_stats=False)
    return y.reshape(x.shape), lambda dy, needs: (*vjp(dy, needs), None, None)


def _vjp(be, x, x3, mean, var, gamma, eps, *, batch_stats):
    def vjp(dy, needs):
        dx, dgamma, dbeta = be.batch_norm_grad(
            dy.reshape(x3.shape), x3, mean, var, gamma, eps=eps, batch_stats=batch_stats
        )
        return dx.reshape(x.shape), dgamma, dbeta

    return vjp
