"""Steps from gradients that are handed in, the state as a list of variables, and optimizers as plain values."""

import copy
import json
import pickle

import numpy as np
import pytest

from minicnn import Parameter, Tensor, constraints, errors, layers, optimizers
from minicnn.backend.cpu import CPU
from minicnn.io import hdf5
from minicnn.optimizers import SGD, Adam, RMSprop, schedules

KINDS = [getattr(optimizers, name) for name in optimizers.__all__ if name[0].isupper() and name != "Optimizer"]


def weights(*starts, be=None):
    be = be or CPU("numpy_ref", "float64")
    return [Parameter(np.array(start, float), be, f"layer{i}/w") for i, start in enumerate(starts)]


@pytest.mark.parametrize("kind", KINDS)
def test_apply_is_the_step_that_backward_leads_to(kind):
    gradients = np.random.default_rng(0).normal(size=(4, 3, 2))
    (mine,), (theirs,) = weights(np.ones((3, 2))), weights(np.ones((3, 2)))
    one, other = kind(weight_decay=0.1, clipnorm=1.0), kind(weight_decay=0.1, clipnorm=1.0)
    other.build([theirs])
    for gradient in gradients:
        one.apply_gradients(zip([Tensor(gradient)], [mine], strict=True))
        theirs.receive(gradient)
        other.apply()
    assert np.array_equal(mine.numpy(), theirs.numpy())
    assert not np.array_equal(mine.numpy(), np.ones((3, 2)))
    assert one.iterations == other.iterations == 4


def test_a_step_by_hand_keeps_the_constraints():
    (bare,) = weights([-1.0, 2.0])
    bare.constraint = constraints.NonNeg()
    SGD(1.0).apply([np.zeros(2)], [bare])
    assert bare.numpy().tolist() == [0, 2]
    dense = layers.Dense(2, kernel_constraint="non_neg")
    dense.build((None, 3))
    optimizer = SGD(1.0)
    optimizer.apply([np.ones((3, 2)), np.ones(2)], dense.weights)
    assert dense.kernel.numpy().min() == 0
    assert dense.bias.numpy().tolist() == [-1, -1]
    assert isinstance(dense.kernel.constraint, constraints.NonNeg)
    assert dense.bias.constraint is None
    dense.bias_constraint = "non_neg"
    optimizer.apply([np.zeros((3, 2)), np.zeros(2)], dense.weights)
    assert dense.bias.numpy().tolist() == [0, 0]
    with pytest.raises(errors.ArgumentError, match="constraint: expected no change: it is the layer's"):
        dense.bias.constraint = None
    with pytest.raises(errors.ArgumentTypeError, match="layer0/w: constraint: expected a function of a tensor"):
        bare.constraint = "non_neg"


def test_what_has_no_gradient_stays_with_its_state(notes):
    a, b = weights([1.0, 2.0], [3.0, 4.0])
    optimizer = SGD(1.0, momentum=0.5, weight_decay=0.1)
    optimizer.apply([[1.0, 1.0], [1.0, 1.0]], [a, b])
    held = b.numpy().copy(), optimizer.get_state()["m"][1]
    optimizer.apply([[1.0, 1.0], None], [a, b])
    optimizer.apply([[1.0, 1.0]], [a])
    assert np.array_equal(b.numpy(), held[0])
    assert np.array_equal(optimizer.get_state()["m"][1], held[1])
    assert np.allclose(optimizer.get_state()["m"][0], -1.75)
    assert optimizer.iterations == 3
    assert notes() == ["SGD.apply: no gradient for layer1/w, which stay as they are"]


def test_the_average_of_an_idle_weight_is_the_weight():
    a, b = weights([1.0, 2.0], [5.0, 6.0])
    optimizer = SGD(0.1, use_ema=True)
    for _ in range(2):
        optimizer.apply([[1.0, 1.0], None], [a, b])
    optimizer.finalize_variable_values()
    np.testing.assert_allclose(b.numpy(), [5.0, 6.0], rtol=1e-12)
    assert 1.8 < a.numpy()[1] < 2


def test_a_group_s_gradients_end_with_it_also_an_idle_weight_s():
    a, b = weights([1.0], [5.0])
    optimizer = SGD(1.0, gradient_accumulation_steps=2)
    for gradient in ([10.0], None, [0.0], [0.0]):
        optimizer.apply([[2.0], gradient], [a, b])
    assert b.numpy()[0] == 5.0
    assert a.numpy()[0] == 1.0 - 2 * 2.0


def test_what_backward_left_in_other_weights_is_not_clipped_with():
    a, b = weights([1.0], [1.0])
    optimizer = SGD(1.0, global_clipnorm=1.0)
    optimizer.build([a, b])
    b.receive(np.array([100.0]))
    optimizer.apply([[1.0]], [a])
    assert a.numpy()[0] == 0.0
    assert b.numpy()[0] == 1.0
    assert b.grad is None


def test_apply_without_gradients_divides_too_and_asks_for_weights():
    (w,) = weights([1.0])
    optimizer = SGD(1.0, loss_scale_factor=4)
    with pytest.raises(errors.ArgumentError, match=r"SGD.apply: expected an optimizer with weights"):
        optimizer.apply()
    optimizer.build([w])
    w.receive(np.array([4.0]))
    optimizer.apply()
    assert w.numpy()[0] == 0.0
    with pytest.raises(errors.ArgumentError, match="each weight once"):
        optimizer.apply([[1.0], [1.0]], [w, w])


def test_a_weight_that_another_optimizer_took_over_is_taken_back():
    (w,) = weights([1.0])
    one, other = SGD(1.0), SGD(1.0)
    for optimizer in (one, other, one):
        optimizer.apply_gradients([([0.25], w)])
    assert w.numpy()[0] == 0.25


@pytest.mark.parametrize(("grads", "given", "error", "said"), [
    ([None], None, ValueError, "a gradient for one weight at least"),
    ([[1.0]], None, ValueError, "shape"),
    ([[1.0, 2.0], [1.0, 2.0]], None, ValueError, "one gradient for each of 1 weights, received 2"),
    ([[1.0, 2.0]], "other", ValueError, "weights that it was built with, received layer0/w"),
    ([[1.0, 2.0]], "array", TypeError, "weights"),
    (None, "other", TypeError, "None without grads"),
    ([["a"]], None, TypeError, "an array of numbers"),
])  # fmt: skip
def test_what_cannot_be_applied_changes_nothing(grads, given, error, said):
    (w,) = weights([1.0, 2.0])
    optimizer = Adam()
    optimizer.build([w])
    given = {"other": weights([1.0, 2.0]), "array": [np.ones(2)], None: None}[given]
    with pytest.raises(error, match=said) as caught:
        optimizer.apply(grads, given)
    assert isinstance(caught.value, errors.MinicnnError)
    assert w.numpy().tolist() == [1, 2]
    assert optimizer.iterations == 0


def test_loss_scale_factor_scales_the_loss_and_its_gradients_back():
    (w,) = weights([1.0])
    optimizer = SGD(1.0, loss_scale_factor=1024)
    assert optimizer.scale_loss(2.0) == 2048
    assert SGD().scale_loss(2.0) == 2
    optimizer.apply_gradients([([512.0], w)])
    assert w.numpy()[0] == 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_variables_are_the_state_in_kerass_order(kind):
    extra = {SGD: {"momentum": 0.5}, RMSprop: {"momentum": 0.9, "centered": True}, Adam: {"amsgrad": True}}
    extra = extra.get(kind, {})
    one, other = kind(0.25, use_ema=True, **extra), kind(use_ema=True, **extra)
    assert one.variables == [0, 0.25]
    one.build([])
    first, second = weights([1.0, 2.0], [[3.0]]), weights([1.0, 2.0], [[3.0]])
    one.apply([[1.0, 2.0], [[3.0]]], first)
    names = [v.path.split("_")[-1] for v in one.variables[2:]]
    assert names == [slot for slot, _ in hdf5.order(kind.__name__, one.kept, 2)]
    other.build(second)
    other.set_weights(one.get_weights())
    assert other.iterations == 1
    assert other.learning_rate == 0.25
    for a, b in zip(one.variables[2:], other.variables[2:], strict=True):
        assert np.array_equal(a.numpy(), b.numpy())
    other.variables[2].assign([5.0, 6.0])
    assert other.get_state()["average"][0].tolist() == [5, 6]


def test_set_weights_asks_for_a_built_optimizer_and_its_shapes():
    (w,), optimizer = weights([1.0, 2.0]), SGD(momentum=0.5)
    with pytest.raises(ValueError, match="an optimizer with weights"):
        optimizer.set_weights([3, 0.1])
    optimizer.build([w])
    for wrong, said in (([3, 0.1], "3 values"), ([3, 0.1, [1.0]], "shape"), ([3, -1, [1.0, 2.0]], "at least 0")):
        with pytest.raises(errors.MinicnnError, match=said):
            optimizer.set_weights(wrong)
    assert optimizer.iterations == 0
    assert optimizer.learning_rate == 0.01
    assert len(SGD(lambda: 0.5).variables) == 1


def test_the_learning_rate_is_a_number_with_keras_methods():
    optimizer = SGD(0.5)
    rate = optimizer.learning_rate
    assert rate == 0.5
    assert rate.numpy() == 0.5
    assert repr(rate) == "0.5"
    assert json.dumps(rate) == "0.5"
    rate.assign(0.25)
    assert optimizer.learning_rate == 0.25
    assert rate == 0.5
    assert type(pickle.loads(pickle.dumps(rate))) is type(copy.deepcopy(rate)) is float


def test_an_average_is_what_finalize_variable_values_leaves():
    (w,), optimizer = weights([1.0]), SGD(1.0, use_ema=True, ema_momentum=0.5)
    for _ in range(2):
        optimizer.apply([[0.5]], [w])
    optimizer.finalize_variable_values([w])
    assert w.numpy()[0] == 0.25


@pytest.mark.parametrize("kind", KINDS)
def test_serialize_and_back(kind):
    made = kind(schedules.ExponentialDecay(0.5, 10, 0.9), weight_decay=0.25, gradient_accumulation_steps=3)
    plain = json.loads(json.dumps(optimizers.serialize(made)))
    assert plain["module"] == "keras.optimizers"
    assert plain["class_name"] == kind.__name__
    for again in (optimizers.deserialize(plain), optimizers.get(plain), kind.from_config(made.get_config())):
        assert type(again) is kind
        assert again.get_config() == made.get_config()
        assert isinstance(again.schedule, schedules.ExponentialDecay)
        assert again.learning_rate == 0.5
    assert optimizers.get({"class_name": kind.__name__.lower(), "config": {}}).get_config() == kind().get_config()


def test_classes_of_ones_own_are_told_by_name():
    class Mine(SGD):
        pass

    plain = optimizers.serialize(Mine(0.5))
    with pytest.raises(ValueError, match="'Mine'"):
        optimizers.deserialize(plain)
    assert type(optimizers.deserialize(plain, custom_objects={"Mine": Mine})) is Mine
    for wrong in (None, "adam", {"config": {}}, {"class_name": "Adam", "config": 3}):
        with pytest.raises(TypeError):
            optimizers.deserialize(wrong)
    schedule = schedules.CosineDecay(0.5, 10)
    assert repr(schedules.deserialize(schedules.serialize(schedule))) == repr(schedule)
