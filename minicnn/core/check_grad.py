"""Is this gradient right? Ask the function itself.

For y = f(..., x, ...), a random cotangent u and a random unit direction v, the two sides of

      <vjp(u), v>  =  d/dh <u, f(x + h v)> at h = 0

are computed independently: the left by backward, the right by differences. A cotangent of ones would be blind: the sum
of a batch-normalised output does not depend on x, so a batch norm whose dx is zero would pass.
"""

from collections.abc import Callable, Sequence

import numpy as np

from .. import arguments
from ..backend.base import Backend
from ..backend.cpu import CPU
from ..errors import ArgumentTypeError, DataError, GradientError, require
from .tensor import Tensor, no_grad


def check_grad(
    f: Callable[..., Tensor],
    args: Sequence[np.ndarray],
    *,
    backend: Backend | None = None,
    rng: np.random.Generator | None = None,
    rtol: float = 1e-6,
    step: float = 1e-4,
    directions: int = 2,
) -> None:
    """Check the gradient of f with respect to each argument by itself; raise GradientError where it is wrong.

    f      tensors -> one tensor of any shape, without hidden randomness
    args   float arrays; they become float64 tensors on `backend` (default: the CPU's numpy_ref in float64)
    step   h of the four-point difference (8 [f(h) - f(-h)] - [f(2h) - f(-2h)]) / 12h, error O(h^4); keep kinks
           (ReLU at 0, ties in a max) further away than 2h
    rtol   bound on |numeric - analytic| relative to the larger of the two and of |gradient| / sqrt(size), the length
           that a random direction sees: a direction that happens to be nearly orthogonal proves nothing
    """
    where = "check_grad: "
    arguments.function(where + "f", f, of="tensors")
    arguments.instance(where + "backend", backend, Backend, "a Backend", optional=True)
    arguments.instance(where + "rng", rng, np.random.Generator, "a numpy.random.Generator", optional=True)
    rtol, step = arguments.number(where + "rtol", rtol, above=0), arguments.number(where + "step", step, above=0)
    directions = arguments.whole(where + "directions", directions)
    ok, expected = isinstance(args, (list, tuple)) and len(args) > 0, "a list of at least one array"
    require(ok, where + "args", expected, arguments.shown(args), error=ArgumentTypeError)
    args = [arguments.array(f"{where}args[{i}]", a) for i, a in enumerate(args)]
    finite = all(np.isfinite(a).all() for a in args)
    require(finite, where + "args", "finite numbers", "NaN or infinity", error=DataError)
    be = backend or CPU("numpy_ref", "float64")
    rng = rng or np.random.default_rng(0)
    name = getattr(f, "__name__", type(f).__name__)
    args = [np.array(a, np.float64) for a in args]
    kept = [a.copy() for a in args]
    tensors = [Tensor(a, be, requires_grad=True) for a in args]
    y = f(*tensors)
    ok = isinstance(y, Tensor)
    expected = "a function f that returns a Tensor"
    require(ok, f"check_grad({name})", expected, arguments.shown(y), error=ArgumentTypeError)
    u = rng.standard_normal(y.shape)
    require(y.requires_grad, f"check_grad({name})", "an output that depends on the arguments through ops",
            "one that is not on the tape", error=GradientError)  # fmt: skip
    # Rounding of what is added up to <u, y> sets a floor under what differences can see, also where the sum cancels.
    noise = 1e-15 * float(np.abs(u * y.numpy()).sum()) / step
    y.backward(be.asarray(u))

    def loss(i, moved):
        with no_grad():
            return float((u * f(*(Tensor(moved if j == i else a, be) for j, a in enumerate(args))).numpy()).sum())

    for i, (x, tensor) in enumerate(zip(args, tensors, strict=True)):
        where = f"{name}: gradient of argument {i} {x.shape}"
        require(tensor.grad is not None, where, "a gradient", "none", error=GradientError)
        gradient = be.to_numpy(tensor.grad)
        require(gradient.shape == x.shape, where, f"shape {x.shape}", gradient.shape, error=GradientError)
        for _ in range(directions):
            v = rng.standard_normal(x.shape)
            v /= np.linalg.norm(v) or 1.0
            values = [loss(i, x + k * step * v) for k in (1, -1, 2, -2)]
            numeric = (8 * (values[0] - values[1]) - (values[2] - values[3])) / (12 * step)
            analytic = float((gradient * v).sum())
            scale = max(abs(numeric), abs(analytic), float(np.linalg.norm(gradient)) / np.sqrt(max(x.size, 1)))
            if not abs(numeric - analytic) <= rtol * scale + noise:
                error = abs(numeric - analytic) / (scale or 1.0)
                raise GradientError(
                    f"{where}: numeric {numeric:.9g}, analytic {analytic:.9g}, relative error {error:.1e}, expected at "
                    f"most {rtol:.0e}; the vjp is wrong, or a kink lies within {2 * step:g} of the input"
                )
    for i, (before, after) in enumerate(zip(kept, args, strict=True)):
        require(np.array_equal(before, after), f"{name}: argument {i}", "to be left as it was", "changed values",
                error=GradientError)  # fmt: skip
