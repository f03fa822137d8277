"""The tape: who gets which gradient, in which order, and what is refused."""

import numpy as np
import pytest

import minicnn
from minicnn import Parameter, Tensor, no_grad, op
from minicnn.backend.cpu import CPU
from minicnn.errors import ArgumentTypeError, MinicnnError, ShapeError


def leaf(values, be=None):
    return Tensor(np.array(values, float), be, requires_grad=True)


def test_fan_out_adds_up():
    x = leaf([2.0, 3.0])
    y = x * x + 3 * x  # three readers of x
    y.backward(np.array([1.0, 10.0]))
    np.testing.assert_array_equal(x.grad, [2 * 2 + 3, 10 * (2 * 3 + 3)])


def test_a_diamond_is_walked_youngest_first():
    calls = []

    @op
    def named(be, x, y, *, name):
        def vjp(dy, needs):
            calls.append(name)
            return dy, dy if needs[1] else None

        return x + y, vjp

    x = leaf(1.0)
    a = named(x, x, name="a")
    b = named(a, a, name="b")
    c = named(a, b, name="c")
    named(c, a, name="d").backward()
    assert calls == ["d", "c", "b", "a"]  # each once, after every reader of its output
    assert x.grad == 8  # a = 2x, b = 4x, c = 6x, d = 8x


def test_gradients_add_up_over_two_tapes():
    x = leaf([1.0])
    (x * 2).backward()
    (x * 5).backward()
    assert x.grad == 7


def test_nothing_is_recorded_without_need():
    x = leaf(2.0)
    with no_grad():
        y = x * x
        with no_grad():
            pass
        z = x * x  # leaving the inner block does not switch recording on
    constant = Tensor(np.ones(2)) * 3
    assert [t.requires_grad for t in (y, z, constant)] == [False] * 3
    assert (x * x).requires_grad
    with pytest.raises(MinicnnError, match=r"backward: expected a tensor made by ops .*received one without a tape"):
        y.backward()


def test_no_grad_ends_with_an_exception():
    with pytest.raises(KeyError), no_grad():
        raise KeyError
    assert (leaf(1.0) * 2).requires_grad


def test_second_backward_is_an_error():
    x = leaf(2.0)
    y = x * x
    y.backward()
    with pytest.raises(MinicnnError, match="the tape through multiply was used up by an earlier backward; run forward"):
        y.backward()
    assert x.grad == 4


def test_backward_asks_for_a_scalar_or_dy():
    y = leaf([1.0, 2.0]) * 2
    with pytest.raises(ShapeError, match=r"backward: expected a scalar, or the argument dy, received shape \(2,\)"):
        y.backward()
    with pytest.raises(ShapeError, match=r"backward: expected dy of shape \(2,\), received \(3,\)"):
        y.backward(np.ones(3))


@pytest.mark.parametrize(
    "shapes", [((2, 3), (3,)), ((2, 3), (2, 1)), ((2, 3), ()), ((4, 1, 3), (2, 1)), ((1,), (5, 1)), ((2, 3), (2, 3))]
)
def test_broadcasting_is_undone(rng, shapes):
    a, b = (leaf(rng.standard_normal(s)) for s in shapes)
    y = a + b
    dy = rng.standard_normal(y.shape)
    y.backward(dy)
    for t in (a, b):
        assert t.grad.shape == t.shape
        expected = np.zeros(t.shape)
        for index in np.ndindex(y.shape):  # the definition: every dy goes to the element it was read from
            own = tuple(i if n > 1 else 0 for i, n in zip(index[len(index) - t.ndim :], t.shape, strict=True))
            expected[own] += dy[index]
        np.testing.assert_allclose(t.grad, expected, rtol=1e-14)


def test_broadcasting_is_undone_in_one_place(monkeypatch):
    """One sum per broadcast argument, none elsewhere: unbroadcast gets each gradient once."""
    from minicnn.core import op as module

    shapes = []
    original = module.unbroadcast
    monkeypatch.setattr(module, "unbroadcast", lambda name, g, s: shapes.append((g.shape, s)) or original(name, g, s))
    a, b = leaf(np.ones((2, 3))), leaf(np.ones(3))
    (a * b).backward(np.ones((2, 3)))
    assert shapes == [((2, 3), (2, 3)), ((2, 3), (3,))]


@pytest.mark.parametrize("wrong", [(3, 2), (6,), (4, 3), (1, 3)])
def test_a_gradient_of_another_shape_is_an_error(wrong):
    @op
    def broken(be, x):
        return x.sum(), lambda dy, needs: (np.ones(wrong),)

    with pytest.raises(ShapeError, match=rf"broken: expected a gradient of shape \(2, 3\), received \({wrong[0]},"):
        broken(leaf(np.ones((2, 3)))).backward()


def test_a_vjp_must_return_one_gradient_per_argument():
    @op
    def short(be, a, b):
        return a + b, lambda dy, needs: (dy,)

    @op
    def none(be, a):
        return a, lambda dy, needs: (None,)

    with pytest.raises(ShapeError, match="short: expected 2 gradients from vjp, received 1"):
        short(leaf(1.0), leaf(2.0)).backward()
    with pytest.raises(ShapeError, match=r"none: expected a gradient of shape \(\), received None; return it from vjp"):
        none(leaf(1.0)).backward()


def test_aside_outputs_are_plain_arrays():
    @op
    def with_mean(be, x):
        return (x * 2, x.mean(), "note"), lambda dy, needs: (2 * dy,)

    x = leaf([1.0, 3.0])
    y, mean, text = with_mean(x)
    assert isinstance(y, Tensor)
    assert not isinstance(mean, Tensor)
    assert (mean, text) == (2, "note")
    y.backward(np.array([1.0, 1.0]))
    np.testing.assert_array_equal(x.grad, [2, 2])


def test_needs_and_absent_arguments():
    seen = []

    @op
    def three(be, x, constant, absent):
        assert absent is None

        def vjp(dy, needs):
            seen.append(needs)
            return dy, None, None

        return x + constant, vjp

    three(leaf([1.0]), np.ones(1), None).backward()
    three(leaf([1.0]), Tensor(np.ones(1)), None).backward()
    assert seen == [(True, False, False)] * 2


def test_devices_do_not_mix(oracle):
    single, double = Tensor(np.ones(2), CPU("numpy_ref", "float32")), Tensor(np.ones(2), oracle)
    with pytest.raises(
        ArgumentTypeError, match=r"add: expected all tensors on CPU, kernel set numpy_ref, float32.*float64"
    ):
        single + double
    assert (double + Tensor(np.ones(2), CPU("numpy_ref", "float64"))).dtype == np.float64  # another object, same place


def test_an_op_needs_a_tensor():
    with pytest.raises(
        ArgumentTypeError, match=r"multiply: expected at least one Tensor, received none; .*Tensor\(x\)"
    ):
        minicnn.ops.arithmetic.multiply(np.ones(2), 3)


@pytest.mark.parametrize("number", [2, 2.0, True, np.float64(2), np.array(2.0)])
def test_numbers_do_not_widen_float32(number):
    x = Tensor(np.ones(3, np.float32), requires_grad=True)
    y = (x * number - number) / 3
    assert y.dtype == np.float32
    y.sum().backward()
    assert x.grad.dtype == np.float32


def test_tensors_hold_the_backends_float_type(fast):
    assert Tensor(np.arange(3)).dtype == np.float64
    assert Tensor(np.arange(3, dtype=np.uint8), fast).dtype == np.float32
    assert Tensor(np.ones(3, np.float32)).dtype == np.float32
    y = Tensor(np.ones(3), fast, requires_grad=True) * 2
    y.backward(np.ones(3))  # float64 dy


@pytest.mark.parametrize("symbol", ["+", "-", "*", "/", "@"])
def test_operators_take_arrays_on_both_sides(rng, symbol):
    a, b = rng.standard_normal((2, 3, 3))
    compute = eval(f"lambda a, b: a {symbol} b")
    expected = compute(a, b)
    for left, right in [(Tensor(a), b), (a, Tensor(b)), (Tensor(a), Tensor(b))]:
        y = compute(left, right)
        assert isinstance(y, Tensor)
        np.testing.assert_allclose(y.numpy(), expected, rtol=1e-14)
    np.testing.assert_allclose((-(Tensor(a) ** 2)).numpy(), -(a**2))
    np.testing.assert_allclose((1 - Tensor(a)).numpy(), 1 - a)


def test_a_tensor_of_several_numbers_is_no_condition():
    assert leaf(1.0) * 2
    with pytest.raises(ArgumentTypeError, match=r"a tensor of one element, received one of shape \(2,\); use \.numpy"):
        bool(leaf([1.0, 1.0]) * 2)


def test_parameters_add_up_gradients_and_check_what_they_are_assigned(oracle):
    p = Parameter(np.array([1.0, 2.0]), oracle, "layer/p")
    (p * p + p).backward(np.ones(2))
    np.testing.assert_array_equal(p.grad, [3, 5])
    with pytest.raises(ShapeError, match=r"layer/p: value: expected weights of shape \(2,\), received \(3,\)"):
        p.assign(np.ones(3))


def test_kernels_get_contiguous_gradients(oracle):
    """sum's gradient is a repeated number; an op behind it must still see an array of the contract."""
    seen = []

    @op
    def spy(be, x):
        return x * 1, lambda dy, needs: seen.append(dy.flags.c_contiguous) or (dy,)

    spy(leaf(np.ones((2, 3)), oracle)).sum().backward()
    assert seen == [True]


def test_repr_tells_where_a_tensor_comes_from():
    assert repr(leaf([1.0]) * 2) == "Tensor(shape=(1,), dtype=float64, be=cpu, made by multiply)"
