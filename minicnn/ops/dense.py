"""The dense layer's product and its backward."""

from typing import Any

from ..core.op import op
from ..errors import require


@op
def dense(be: Any, x: Any, w: Any, b: Any, *, relu: bool = False) -> tuple[Any, Any]:
    """y = x w + b, then max(y, 0) if relu.  x (..., I), w (I, O), b (O,) or None -> y (..., O).

    dx = dy w',  dw = x' dy,  db = sum dy over all but the last axis.
    Kept for backward: x and w; with relu also y.  Raises ShapeError if x's last axis is not w's first.
    """
    require(
        x.ndim >= 2 and x.shape[-1] == w.shape[0], "dense", f"x of shape (N, {w.shape[0]})", x.shape,
        "flatten the input, or give the layer the width it was built for",
    )  # fmt: skip
    x2d = x.reshape(-1, x.shape[-1])
    y = be.dense(x2d, w, b, relu=relu)

    def vjp(dy, needs):
        need_x, need_w, need_b = needs
        dy = dy.reshape(y.shape)
        dx = dw = db = None
        if relu:
            dy, db = be.relu_bias_grad(dy, y)
        elif need_b:
            db = be.bias_grad(dy)
        if need_x:
            dx = be.dense_input_grad(dy, w).reshape(x.shape)
        if need_w:
            dw = (be if need_w is True else need_w).dense_weight_grad(x2d, dy)
        return dx, dw, db

    return y.reshape(*x.shape[:-1], w.shape[1]), vjp


dense.__wrapped__.placed = 1  # see core/program.py, Node
