"""Gradient checks of a model: op by op and as a whole, against difference quotients of the functions themselves.

      float64   each op on the reference kernels: <vjp(u), v> against the difference quotient of <u, f(x + h v)>, with a
                random cotangent u and random directions v, for every argument by itself; then the whole loss for every
                weight and for x
      float32   the same op on the model's own kernels against its float64 gradient; then the training step as fit runs
                it, neighbours fused, against the whole model in float64

Images, what an op with kinks reads, and the weights of the whole are moved by random thousandths: constant areas are
full of ties, and a bias of 0 is a kink itself.
The smallest error over several h counts: a kink (ReLU at 0, a tie of a maximum) may lie within one of them, a wrong
gradient is wrong for all. A layer that is not written in ops is one op, its weights arguments.
"""

import contextlib
from typing import Any, NamedTuple

import numpy as np

from .. import arguments
from ..backend.cpu import CPU
from ..core.tensor import unbroadcast
from ..errors import ArgumentError, ArgumentTypeError, MinicnnError, require
from ..io.html import html_table
from .trace import labels
from .trace import names as names_of

EXACT, FAST, WHOLE = 1e-5, 1e-3, 5e-3  # bounds on the relative errors: differences; an op, and a step, in float32
MOVED = 1e-3  # of the largest number
KINKED = {"absolute", "amax", "amin", "clip", "max_pool", "maximum", "minimum", "on_tape", "relu", "relu_general",
          "hard_sigmoid", "leaky_relu", "prelu", "elu", "selu"}  # fmt: skip
STEPS = (1e-3, 1e-4, 1e-5, 1e-6)  # h
OPEN = 8  # cells of an axis that a model leaves open
ASKED = 24  # single numbers whose difference quotients are taken where a gradient is wrong


class Row(NamedTuple):
    """One gradient.  errors: relative, NaN where it was not asked for;  worst: index of the largest difference."""

    layer: str
    op: str
    argument: str
    shape: tuple[int, ...]
    float64: float
    float32: float
    worst: tuple[int, ...] | None
    fault: str

    ok = property(lambda self: not self.fault)


class GradCheck(list):
    """Rows, one per argument of every op and one per weight of the whole; prints as a table."""

    notes: list[str]

    ok = property(lambda self: all(row.ok for row in self))

    @property
    def culprits(self) -> list[str]:
        """Of what is wrong, the ops; if every op is right, the weights whose gradient in the whole step is not."""
        wrong = [row for row in self if not row.ok]
        found = [row for row in wrong if row.op != "whole step"] or wrong
        return [f"{r.layer}: {r.op}: gradient of {r.argument}: {r.fault}" for r in found]

    def table(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = [("layer", "op", "argument", "shape", "float64", "float32", "worst", "")]
        for r in self:
            worst = "-" if r.worst is None else ",".join(map(str, r.worst)) or "()"
            errors = ("-" if np.isnan(e) else f"{e:.1e}" for e in (r.float64, r.float32))
            rows.append((r.layer, r.op, r.argument, "x".join(map(str, r.shape)) or "()", *errors, worst,
                         "ok" if r.ok else "WRONG"))  # fmt: skip
        return rows

    def __str__(self):
        rows = [[c if len(c) <= 22 else c[:19] + "..." for c in row] for row in self.table()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        wrong = sum(not row.ok for row in self)
        end = f"{wrong} of {len(self)} gradients are wrong" if wrong else f"all {len(self)} gradients are right"
        bounds = f"errors are relative; bounds: {EXACT:.0e} in float64, {FAST:.0e} in float32, {WHOLE:.0e} of a step"
        return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:], bounds, *self.notes, end, *self.culprits])

    __repr__ = __str__

    def _repr_html_(self):
        return html_table(self.table())


def gradcheck(model: Any, x: Any = None, y: Any = None, *, seed: int = 0) -> GradCheck:
    """Check every gradient of a built model, on images x with targets y as fit takes them, or on random ones.

    Of several inputs and outputs: lists, or dicts by their names.
    Not compiled: the mean squared error stands in for a loss. A few images are enough, and quick. Nothing changes.
    """
    rng = np.random.default_rng(arguments.seed("gradcheck: seed", seed))
    checked = GradCheck()
    checked.notes = []
    ok = hasattr(model, "programs") and hasattr(model, "looked_at")
    require(ok, "gradcheck: model", "a model", arguments.shown(model), error=ArgumentTypeError)
    require(model.built, "gradcheck", "a built model", "none", "give it an Input", error=ArgumentError)
    without = model.loss is None
    require((x is None) == (y is None), "gradcheck", "x with y, or neither", "one of them", error=ArgumentTypeError)
    if without:
        model.loss = "mean_squared_error"
        checked.notes.append("the model is not compiled: the mean squared error stands in for its loss")
    try:
        if x is None:
            x, y = _images(model, 3, rng), _targets(model, 3, rng)
        xs, ts = model.looked_at("gradcheck", x, y)
        with model.guard:
            _check(model, xs, ts, rng, checked)
    finally:
        if without:
            model.loss = None
    return checked


def _images(model, n: int, rng):
    """Random numbers for every input; OPEN cells where an axis has no size."""
    several = isinstance(model.sample_in, list)
    shapes = model.sample_in if several else [model.sample_in]
    found = [rng.standard_normal((n, *(OPEN if m is None else m for m in shape))) for shape in shapes]
    return dict(zip(model.input_names, found, strict=True)) if several else found[0]


def _targets(model, n: int, rng):
    """Targets that the losses accept: class numbers, one-hot rows or any numbers."""
    several = isinstance(model.sample_out, list)
    shapes = model.sample_out if several else [model.sample_out]
    found = [None if loss is None else _target(loss, tuple(OPEN if m is None else m for m in shape), n, rng)
             for loss, shape in zip(model.output_losses, shapes, strict=True)]  # fmt: skip
    return found if several else found[0]


def _target(loss, shape, n: int, rng):
    labels = rng.integers(0, shape[-1], (n, *shape[:-1]))
    for y in (labels, np.eye(shape[-1])[labels], rng.random((n, *shape))):
        try:
            loss.prepare(y, shape)
        except MinicnnError:
            continue
        return y
    raise ArgumentError(f"gradcheck: expected x and y for the loss {loss.name}, received none")


def _check(model, xs, ts, rng, checked) -> None:
    be, step = model.backend, model.streams.step
    oracle = CPU("numpy_ref", "float64")
    model.programs.refresh()
    program = model.programs.inspection(tuple(x.shape for x in xs), tuple(t.shape for t in ts), True)
    names = names_of(program, labels(model))
    arrays = [*(_moved(x.astype(np.float64), rng) for x in xs), *(t.astype(np.float64) for t in ts)]
    failed = None
    with _moved_to(oracle, model):
        values, _ = program.forward(oracle, arrays, step, program.every)
        for node in program.unfused:
            if any(node.needs) or node.name == "on_tape":
                _check_node(node, values, names, be, oracle, step, rng, checked)
        try:
            _, gradients = program.record(oracle, arrays, step)
            for _, p in program.params:
                if p.requires_grad:  # a bias of 0 over a dead window is a ReLU's kink itself
                    p.data = _moved(p.data, rng)
            _, moved = program.record(oracle, arrays, step)

            def loss_of(given):
                return float(program.forward(oracle, given, step, program.every)[0][program.loss])

            _check_whole(program, arrays, len(xs), moved, names, loss_of, rng, checked)
        except MinicnnError as error:
            failed, gradients = str(error), None
    if gradients is not None and all(row.ok for row in checked):
        placed = [be.asarray(a, be.dtype) for a in arrays]
        _check_step(model, program, placed, len(xs), gradients, names, checked)
    elif failed:
        checked.notes.append(f"the whole model was not checked: {failed}"[:100])
    model.moved()  # nothing has happened


# one op ---------------------------------------------------------------------------------------------------------------


def _check_node(node, values, names, be, oracle, step, rng, checked) -> None:
    """Rows for every argument of one op that wants a gradient."""
    arrays = [None if s == 0 else values[s] for s in node.inputs]
    if node.name in KINKED:
        arrays = [_moved(a, rng) if need else a for a, need in zip(arrays, node.needs, strict=True)]
    # Numbers that both types hold, so that both see the same ties and signs.
    arrays = [a.astype(np.float32).astype(np.float64) if a is not None and a.dtype.kind == "f" else a for a in arrays]
    layer, taped = node.layer.name if node.layer else "loss", node.name == "on_tape"
    weights = [p for p in node.layer.params if p.requires_grad] if taped and node.layer else []
    args = [(names.get(s, "="), k) for k, (s, need) in enumerate(zip(node.inputs, node.needs, strict=True)) if need]
    args += [(names_of_weight(layer, p), len(arrays) + k) for k, p in enumerate(weights)]
    full = [*arrays, *(p.data for p in weights)]
    op = type(node.layer).__name__ if taped else node.name
    short = {k: name.removeprefix(f"{layer}/") for name, k in args}
    static = {k: v._replace(step=step) if isinstance(v, oracle.key) else v for k, v in node.static.items()}

    def run(arguments, on):
        """(y, vjp) on the backend `on`."""
        for p, data in zip(weights, arguments[len(arrays) :], strict=True):
            p.data, p.grad = on.asarray(data, on.dtype), None
        inside = arguments[: len(arrays)]
        inside = [on.asarray(a, on.dtype) if a is not None and a.dtype.kind == "f" else a for a in inside]
        return node.op(on, *inside, **static)

    def output(arguments, on) -> np.ndarray:
        y, _ = run(arguments, on)
        return np.asarray(on.to_numpy(y[0] if isinstance(y, tuple) else y), np.float64)

    def gradients(on, cotangent) -> dict[int, np.ndarray | None]:
        """Of all arguments."""
        _, vjp = run(full, on)
        found = [*vjp(on.asarray(cotangent, on.dtype), node.needs), *(p.grad for p in weights)]
        found = [None if g is None else np.asarray(on.to_numpy(g), np.float64) for g in found]
        return {k: found[k] if k < len(found) else None for _, k in args}

    def row(k, float64=np.nan, float32=np.nan, worst=None, fault=""):
        checked.append(Row(layer, op, short[k], full[k].shape, float64, float32, worst, fault))

    before = [p.data for p in weights]
    try:
        y = output(full, oracle)
        u = rng.standard_normal(y.shape)
        if node.static.get("relu"):
            u *= np.abs(y) > 1e-4 * np.abs(y).max(initial=0)  # and so no cell within rounding of the kink
        try:
            exact = gradients(oracle, u)
        except (MinicnnError, ValueError, TypeError, IndexError) as error:
            for _, k in args:
                row(k, fault=f"its vjp fails: {error}"[:120])
            return
        for _, k in args:
            g, shape = exact[k], full[k].shape
            if g is None:
                g, missing = np.zeros(shape), "missing"
            else:
                missing = ""
            try:
                g = exact[k] = unbroadcast(op, g, shape)
            except MinicnnError as error:
                row(k, fault=str(error))
                exact[k] = None
                continue

            def value(moved, k=k):
                return float((u * output([moved if i == k else a for i, a in enumerate(full)], oracle)).sum())

            noise = 1e-15 * float(np.abs(u * y).sum())
            error, worst, fault = _differences(value, full[k], g, rng, noise)
            exact[k] = None if fault else g
            row(k, error, worst=worst, fault=f"{missing or 'wrong'}: {fault}" if fault else "")
        if not taped:
            fast = gradients(be, u)
            for i, r in enumerate(checked[-len(args) :]):
                k = args[i][1]
                if exact[k] is not None:
                    error, worst = _relative(unbroadcast(op, fast[k], full[k].shape), exact[k])
                    fault = f"float32 on {be.kernels} differs from float64 by {error:.1e}" if not error <= FAST else ""
                    checked[len(checked) - len(args) + i] = r._replace(float32=error, worst=worst, fault=fault)
    finally:
        for p, data in zip(weights, before, strict=True):
            p.data, p.grad = data, None


def _moved(x, rng):
    return x + MOVED * (float(np.abs(x).max(initial=0)) or 1.0) * rng.uniform(-1, 1, x.shape)


def _relative(found, exact) -> tuple[float, tuple[int, ...] | None]:
    """The largest difference relative to the largest number, and where."""
    difference = np.abs(found - exact)
    if not difference.size:
        return 0.0, None
    largest = float(np.abs(exact).max())
    worst = float(difference.max())
    return worst / largest if largest else worst, tuple(map(int, np.unravel_index(difference.argmax(), exact.shape)))


def _differences(value, x, g, rng, noise: float, where: bool = True) -> tuple[float, tuple[int, ...] | None, str]:
    """(relative error, worst index if it is wrong, what is wrong) of the gradient g of value at x.

    where: whether a wrong one is asked for single numbers, which takes a hundred times as long.
    """
    error, wrong, numbers = 0.0, False, (0.0, 0.0)
    for _ in range(2):
        v = rng.standard_normal(x.shape)
        v /= np.linalg.norm(v) or 1.0
        beyond, best, pair = _along(value, x, v, float((g * v).sum()), float(np.linalg.norm(g)), noise)
        error, wrong = max(error, best), wrong or not beyond <= EXACT
        if not beyond <= EXACT:
            numbers = pair
    if not wrong:
        return error, None, ""
    if not where:
        return error, None, f"along a direction {numbers[1]:.6g}, the difference quotient is {numbers[0]:.6g}"
    order = np.argsort(-np.abs(g.reshape(-1)), kind="stable")[: ASKED // 2]
    asked = np.unique([*order, *rng.integers(0, g.size, ASKED // 2)])
    worst, far = None, -1.0
    for m in asked:
        at = np.unravel_index(m, g.shape)
        one = np.zeros(x.shape)
        one[at] = 1
        _, _, (numeric, analytic) = _along(value, x, one, float(g[at]), 0.0, noise)
        if not abs(numeric - analytic) <= far:
            far, worst, numbers = abs(numeric - analytic), tuple(map(int, at)), (numeric, analytic)
    return error, worst, f"at {worst} {numbers[1]:.6g}, the difference quotient is {numbers[0]:.6g}"


def _along(value, x, v, analytic: float, length: float, noise: float) -> tuple[float, float, tuple]:
    """(relative error beyond the sums' rounding, the whole of it, (numeric, analytic)) of the best h, along v."""
    best, error, pair = np.inf, np.inf, (np.nan, analytic)
    for h in STEPS:
        a, b, c, d = (value(x + k * h * v) for k in (1, -1, 2, -2))
        numeric = (8 * (a - b) - (c - d)) / (12 * h)
        scale = max(abs(numeric), abs(analytic), length / np.sqrt(max(x.size, 1)))
        far = max(abs(numeric - analytic) - 8 * noise / h, 0.0) / scale if scale else 0.0
        if far < best:
            best, error, pair = far, abs(numeric - analytic) / scale if scale else 0.0, (numeric, analytic)
        if best <= EXACT / 10:
            break
    return best, error, pair


# the whole ------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _moved_to(oracle, model):
    """The model's weights in float64 on another backend, and its layers there, until the end."""
    params = {id(p): (p, p.data, p.be, p.grad) for p in model.weights}
    places = [(layer, layer.be) for layer in model.leaves]
    try:
        for p, data, be, _ in params.values():
            p.data, p.be, p.grad = np.array(be.to_numpy(data), np.float64), oracle, None
        for layer, _ in places:
            object.__setattr__(layer, "be", oracle)
        yield
    finally:
        for p, data, be, grad in params.values():
            p.data, p.be, p.grad = data, be, grad
        for layer, be in places:
            object.__setattr__(layer, "be", be)


def _check_whole(program, arrays, inputs, gradients, names, loss_of, rng, checked) -> None:
    """Rows for the loss's gradient of every weight, and of every input, in float64; loss_of(arrays): the loss."""
    targets = [(slot, p) for slot, p in program.params if p.requires_grad]
    targets += [(program.inputs[k], k) for k in range(inputs)]
    where = all(row.ok for row in checked)  # else the op that is wrong has been asked
    for slot, p in targets:
        at = arrays[p] if isinstance(p, int) else p.data
        g = gradients.get(slot)
        missing = g is None
        g = np.zeros(at.shape) if missing else g

        def value(moved, p=p):
            if isinstance(p, int):
                return loss_of([*arrays[:p], moved, *arrays[p + 1 :]])
            kept, p.data = p.data, moved
            try:
                return loss_of(arrays)
            finally:
                p.data = kept

        noise = 1e-14 * abs(value(at))
        error, worst, fault = _differences(value, at, g, rng, noise, where)
        layer, _, name = ("model", "", names[slot]) if isinstance(p, int) else names[slot].rpartition("/")
        checked.append(Row(layer, "whole step", name, at.shape, error, np.nan, worst,
                           f"{'missing' if missing else 'wrong'}: {fault}" if fault else ""))  # fmt: skip


def _check_step(model, program, arrays, inputs, gradients, names, checked) -> None:
    """The training step as fit runs it, on the model's own kernels, against the whole in float64."""
    be, step = model.backend, model.streams.step
    shapes = [a.shape for a in arrays]
    fit = model.programs.training(tuple(shapes[:inputs]), tuple(shapes[inputs:]))
    held = [(p, p.grad) for p in model.weights]
    found = {}
    try:
        for p, _ in held:
            p.grad = None
        with be.running():
            values, vjps = fit.forward(be, arrays, step)
            fit.backward(be, vjps, be.xp.ones_like(values[fit.loss]))
            found = {id(p): None if p.grad is None else np.array(be.to_numpy(p.grad), np.float64) for p, _ in held}
    finally:
        for p, grad in held:
            p.grad = grad
    scale = max((float(np.linalg.norm(g)) for g in gradients.values()), default=1.0)
    rows = {row.argument if row.layer == "model" else f"{row.layer}/{row.argument}": i
            for i, row in enumerate(checked) if row.op == "whole step"}  # fmt: skip
    for slot, p in program.params:
        if not p.requires_grad or names[slot] not in rows:
            continue
        exact, got = gradients.get(slot), found[id(p)]
        exact = np.zeros(p.shape) if exact is None else exact
        got = np.zeros(p.shape) if got is None else got
        size = max(float(np.linalg.norm(exact)), 1e-6 * scale)
        error, (_, worst) = float(np.linalg.norm(got - exact)) / size, _relative(got, exact)
        fault = "" if error <= WHOLE else f"fit's step on {be.kernels} differs from float64 by {error:.1e}"
        i = rows[names[slot]]
        checked[i] = checked[i]._replace(float32=error, worst=worst, fault=fault)


def names_of_weight(layer: str, p: Any) -> str:
    return f"{layer}/{p.path.rpartition('/')[2]}"
