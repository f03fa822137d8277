"""The checker itself: right gradients pass, and each kind of wrong one is found."""

import numpy as np
import pytest

from minicnn import Tensor, check_grad, op
from minicnn.errors import GradientError
from minicnn.ops.norm import batch_norm


@op
def product(be, a, b):
    return a * b, lambda dy, needs: (dy * b, dy * a)


@op
def scaled(be, x):  # a part in a thousand too large
    return x**3, lambda dy, needs: (1.001 * dy * 3 * x**2,)


@op
def forgotten(be, x):  # the second term of (x sin x)'
    return x * np.sin(x), lambda dy, needs: (dy * np.sin(x),)


@op
def second_wrong(be, a, b):
    return a * b, lambda dy, needs: (dy * b, dy * b)


@op
def transposed(be, x):  # (N, N): the shape gives nothing away
    return 2 * x, lambda dy, needs: (2 * dy.T,)


@op
def mutating(be, x):
    x *= 1.5
    return x * 1, lambda dy, needs: (1.5 * dy,)


@op
def mutating_in_backward(be, x):
    def vjp(dy, needs):
        x[...] = x + 1e-9
        return (2 * dy,)

    return 2 * x, vjp


@op
def not_a_number(be, x):
    return x * 2, lambda dy, needs: (dy * np.nan,)


@op
def blind_batch_norm(be, x):
    """Batch normalisation whose dx is zero."""
    y = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-3)
    return y, lambda dy, needs: (0 * dy,)


def test_right_gradients_pass(rng):
    check_grad(product, [rng.standard_normal((3, 4)), rng.standard_normal(4)])
    check_grad(lambda x: batch_norm(x, np.ones(3), np.zeros(3))[0], [rng.standard_normal((5, 3))])


@pytest.mark.parametrize(
    ("f", "shapes", "message"),
    [
        (
            scaled,
            [(4,)],
            r"scaled: gradient of argument 0 \(4,\): numeric .* relative error 1\.0e-03, expected at most 1e-06",
        ),
        (forgotten, [(3, 2)], r"forgotten: gradient of argument 0 \(3, 2\)"),
        (second_wrong, [(3,), (3,)], "second_wrong: gradient of argument 1"),
        (transposed, [(3, 3)], "transposed: gradient of argument 0"),
        (mutating, [(3,)], "mutating: argument 0: expected to be left as it was, received changed values"),
        (mutating_in_backward, [(3,)], "mutating_in_backward: argument 0: expected to be left as it was"),
        (not_a_number, [(3,)], "analytic nan"),
        (blind_batch_norm, [(6, 2)], "blind_batch_norm: gradient of argument 0"),
    ],
)
def test_wrong_gradients_are_found(rng, f, shapes, message):
    with pytest.raises(GradientError, match=message):
        check_grad(f, [rng.uniform(0.5, 2, s) for s in shapes])


def test_a_ones_cotangent_is_blind(rng):
    """Why the cotangent is random: with ones, <dy, y> of a batch norm does not depend on x, and dx = 0 passes."""
    check_grad(lambda x: (blind_batch_norm(x) + 1).sum(), [rng.standard_normal((6, 2))])
    with pytest.raises(GradientError):
        check_grad(blind_batch_norm, [rng.standard_normal((6, 2))])


def test_a_gradient_of_the_wrong_shape_is_found():
    @op
    def squeezed(be, x):
        return x.sum(axis=0), lambda dy, needs: (dy,)

    with pytest.raises(ValueError, match=r"squeezed: expected a gradient of shape \(2, 3\), received \(3,\)"):
        check_grad(squeezed, [np.ones((2, 3))])


def test_an_unused_argument_is_found():
    def first(a, b):
        return a * 2

    with pytest.raises(
        GradientError, match=r"first: gradient of argument 1 \(2,\): expected a gradient, received none"
    ):
        check_grad(first, [np.ones(2), np.ones(2)])


def test_an_output_off_the_tape_is_found():
    def constant(x):
        return Tensor(x.numpy() * 2)

    with pytest.raises(
        GradientError, match=r"check_grad\(constant\): expected an output that depends on the arguments"
    ):
        check_grad(constant, [np.ones(2)])


def test_a_kink_is_named_as_a_possible_cause():
    from minicnn.ops.activation import relu

    with pytest.raises(GradientError, match=r"or a kink lies within 0.0002 of the input"):
        check_grad(relu, [np.array([1e-5, 1.0])])


def test_the_same_generator_gives_the_same_check():
    """No hidden randomness: a failure can be repeated."""
    messages = []
    for _ in range(2):
        with pytest.raises(GradientError) as error:
            check_grad(scaled, [np.array([1.0, 2.0])])
        messages.append(str(error.value))
    assert messages[0] == messages[1]
