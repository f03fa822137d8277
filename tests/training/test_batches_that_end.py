"""An iterable of batches that ends before it should: said with how many there were, in which epoch; the steps stay."""

import numpy as np
import pytest

from minicnn import errors, optimizers

from .networks import small, state, toy

X, Y = toy(20)


def generator(batches):
    for _ in range(batches):
        yield X, Y


def made():
    return small(kernels="numpy_ref")


def test_training_says_the_epoch_and_keeps_the_steps():
    model, twin = made(), made()
    with pytest.raises(errors.DataError) as caught:
        model.fit(generator(3), steps_per_epoch=2, epochs=2, verbose=0)
    assert str(caught.value) == (
        "fit: x: expected 2 batches, received an iterable that ended after 3 batches, in epoch 2; give fewer epochs or "
        "steps, or an iterable that begins again; the steps made so far have been trained"
    )
    for _ in range(3):
        twin.train_on_batch(X, Y)
    assert state(model)[0] == state(twin)[0]
    assert model.optimizer.iterations == 3


def test_a_generator_without_steps_ends_with_its_epoch():
    with pytest.raises(errors.DataError, match="ended after 3 batches, in epoch 2"):
        made().fit(generator(3), epochs=2, verbose=0)


def test_evaluate_and_predict():
    with pytest.raises(errors.DataError, match=r"evaluate: x: expected 4 batches, received .* ended after 3 batches;"):
        made().evaluate(generator(3), steps=4, verbose=0)
    with pytest.raises(errors.DataError, match=r"predict: x: expected 4 batches, received .* ended after 3 batches;"):
        made().predict((x for x, _ in generator(3)), steps=4, verbose=0)


def test_what_the_iterable_raises_comes_through():
    def broken():
        yield X, Y
        raise KeyError("mine")

    model = made()
    with pytest.raises(KeyError, match="mine"):
        model.fit(broken(), steps_per_epoch=3, verbose=0)
    assert model.optimizer.iterations == 1


@pytest.mark.parametrize("rate", [np.nan, np.inf, -1.0, None, "x"])
def test_a_schedule_that_returns_no_rate_is_refused_before_the_first_step(rate):
    model = made()
    model.compile(optimizers.Adam(lambda step: rate), "sparse_categorical_crossentropy")
    before = [w.tobytes() for w in model.get_weights()]
    for use in (lambda: model.fit(X, Y, verbose=0), lambda: model.train_on_batch(X, Y)):
        with pytest.raises(errors.ArgumentError, match="learning_rate of the schedule at step 0"):
            use()
    assert [w.tobytes() for w in model.get_weights()] == before
    assert model.streams.step == 0


def test_numpy_class_weights():
    model, twin = made(), made()
    model.train_on_batch(X, Y, class_weight={np.int64(0): np.float32(2)})
    twin.train_on_batch(X, Y, class_weight={0: 2.0})
    assert state(model)[0] == state(twin)[0]
