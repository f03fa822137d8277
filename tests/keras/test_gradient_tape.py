"""tf.GradientTape: the gradients of loops that a program writes itself."""

import gc
import weakref

import numpy as np
import pytest

from minicnn import Sequential as Plain
from minicnn import Tensor, errors, keras
from minicnn.backend.cpu import CPU
from minicnn.keras import layers as L
from minicnn.keras import tf

DOUBLE = CPU("numpy_ref", "float64")


def numeric(loss, values, step=1e-4):
    """d loss / d values by four-point differences, element by element.  values: an array that is changed in place."""
    found = np.zeros_like(values)
    for place in np.ndindex(*values.shape):
        kept, seen = values[place], []
        for k in (1, -1, 2, -2):
            values[place] = kept + k * step
            seen.append(loss())
        values[place] = kept
        found[place] = (8 * (seen[0] - seen[1]) - (seen[2] - seen[3])) / (12 * step)
    return found


def double(x):
    return Tensor(np.asarray(x, float), DOUBLE)


# the tape -------------------------------------------------------------------------------------------------------------


def test_a_variable_is_watched_and_a_tensor_is_when_it_is_asked_for():
    v, x = tf.Variable([1.0, 2.0]), tf.constant([3.0, 4.0])
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(v * v * x)
    assert [None if g is None else g.numpy().tolist() for g in tape.gradient(y, [v, x])] == [[6, 16], None]
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = v * v * x
    assert tape.gradient(y, x).numpy().tolist() == [1, 4]  # of a tensor that is no number: of the sum
    assert not x.requires_grad
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch([x])
        y = v * x
        z = v * v
    assert tape.gradient([y, z], {"v": v, "x": (x,)})["v"] is None
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        y = v * v
        z = y * y
    assert tape.gradient(z, y) is None
    with tf.GradientTape() as tape:
        y = v * tf.Variable(2.0, trainable=False)
    assert tape.watched_variables() == (v,)


def test_sources_targets_and_cotangents_are_structures():
    a, b, c = tf.Variable(2.0), tf.Variable([1.0, 3.0]), tf.Variable(5.0)
    with tf.GradientTape(persistent=True) as tape:
        y, z = a * b, b * b
    found = tape.gradient({"y": y, "z": z}, {"a": a, "more": [b, (c,)]})
    assert found["a"].numpy() == 4
    assert found["more"][0].numpy().tolist() == [4, 8]
    assert found["more"][1] == (None,)
    assert tape.gradient(y, a, output_gradients=[10.0, 1.0]).numpy() == 13
    assert tape.gradient([y, z], b, [tf.constant([1.0, 0.0]), None]).numpy().tolist() == [4, 6]
    assert tape.gradient(z, c, unconnected_gradients=tf.UnconnectedGradients.ZERO).numpy() == 0
    assert tape.gradient(z, [c], unconnected_gradients="none") == [None]
    assert tape.gradient(b, b).numpy().tolist() == [1, 1]
    with pytest.raises(errors.ShapeError, match=r"output_gradients: expected shape \(2,\), received \(3,\)"):
        tape.gradient(y, a, output_gradients=np.ones(3))
    with pytest.raises(errors.ArgumentError, match="output_gradients: expected 1 of them, received 2"):
        tape.gradient([y], a, output_gradients=[1.0, 1.0])
    with pytest.raises(errors.ArgumentTypeError, match="sources: expected a tensor, or a structure of them"):
        tape.gradient(y, [a, None])
    with pytest.raises(errors.ArgumentTypeError, match=r"target: .* make it a tensor first: tf.convert_to_tensor"):
        tape.gradient(np.ones(2), a)
    with pytest.raises(errors.ArgumentError, match="unconnected_gradients: expected one of none, zero"):
        tape.gradient(y, a, unconnected_gradients="nothing")


def test_a_tape_that_is_not_persistent_answers_once():
    v = tf.Variable(3.0)
    with tf.GradientTape() as tape:
        y = v * v
    assert tape.gradient(y, v).numpy() == 6
    with pytest.raises(errors.MinicnnError, match=r"has not answered yet.*persistent=True"):
        tape.gradient(y, v)
    with tape:  # a new recording
        y = v * v * v
    assert tape.gradient(y, v).numpy() == 27
    with tf.GradientTape(persistent=True) as tape:
        y = v * v
        z = y * v
        assert tape.gradient(y, v).numpy() == 6  # inside, too
    assert tape.gradient(z, [v, y])[0].numpy() == 27
    assert tape.gradient(z, [v, y])[1].numpy() == 3
    with pytest.raises(errors.ArgumentError, match="a tape that is not recording"), tape, tape:
        pass


def test_only_what_runs_inside_is_recorded():
    v = tf.Variable(2.0)
    before = v * v
    with tf.GradientTape(persistent=True) as tape:
        y = before * v
        with tape.stop_recording():
            hidden = v * 5.0
        z = y + hidden
    after = z * v
    assert tape.gradient(z, v).numpy() == 4
    assert tape.gradient(after, v) is None
    assert tape.gradient(hidden, v) is None
    with tf.GradientTape() as tape:
        y = v * v
        tape.reset()
        z = v * 3.0
    assert tape.gradient([y, z], v).numpy() == 3
    x = tf.constant(2.0)
    with tf.GradientTape() as tape:
        early = x * v
        tape.watch(x)
        y = x * x * tf.stop_gradient(x)
    assert tape.gradient(y, x).numpy() == 8
    for use in (lambda: tape.watch(x), lambda: tape.stop_recording().__enter__()):
        with pytest.raises(errors.ArgumentError, match="a tape that is recording, received one that is not"):
            use()
    with tf.GradientTape() as tape, pytest.raises(errors.ArgumentTypeError, match="watch: expected a tensor"):
        tape.watch(np.ones(3))
    assert early.numpy() == 4


def test_two_tapes_share_what_both_have_seen():
    x, v = tf.constant(3.0), tf.Variable(2.0)
    with tf.GradientTape() as one, tf.GradientTape() as other:
        one.watch(x)
        y = x * v
        other.watch(x)
        z = y * x
    assert one.gradient(z, [x, v])[0].numpy() == 12
    assert other.gradient(z, [x, v])[1].numpy() == 9
    assert not x.requires_grad


def test_weights_are_those_that_the_op_has_read():
    v, w, optimizer = tf.Variable([2.0]), tf.Variable([3.0]), keras.optimizers.SGD(1.0)
    optimizer.build([v])
    with tf.GradientTape(persistent=True) as tape:
        y = v * w
    optimizer.apply_gradients([(tape.gradient(y, v), v)])
    assert v.numpy() == -1
    assert tape.gradient(y, w).numpy() == 2
    v.assign([7.0])
    assert tape.gradient(y, w).numpy() == 2


def test_what_a_tape_has_made_is_constant_once_the_tape_is_gone():
    """total += loss would else keep every step of an epoch; x = x + step * gradient every image."""
    v, x = tf.Variable(np.ones(3)), tf.constant(np.ones(3))
    total, kept = tf.constant(0.0), []
    for _ in range(3):
        with tf.GradientTape() as tape:
            tape.watch(x)
            inner = v * x
            loss = tf.reduce_sum(inner)
        kept.append(weakref.ref(inner))
        x = x - 0.1 * tape.gradient(loss, x)
        total = total + loss
        del inner, loss
    gc.disable()
    try:
        assert [one() for one in kept] == [None] * 3
    finally:
        gc.enable()
    assert (x.node, total.node) == (None, None)
    with tf.GradientTape(persistent=True) as tape:
        y = v * 2.0
    del tape
    with tf.GradientTape() as tape:
        tape.watch(y)
        z = y * y
    assert tape.gradient(z, y).numpy().tolist() == [4, 4, 4]


def test_gradients_of_gradients_are_refused_where_they_are_asked_for():
    v, x = tf.Variable(2.0), tf.constant(3.0)
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = v * x * x
        g = inner.gradient(y, x)
        loss = g * g
    assert g.numpy() == 12
    with pytest.raises(errors.UnsupportedError, match=r"no gradients of gradients.*stop_gradient"):
        outer.gradient(loss, v)
    with tf.GradientTape(persistent=True) as outer:  # what goes another way than through the gradient is there
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = v * x
        moved = x + tf.sign(inner.gradient(y, x))
        loss = v * moved
    assert outer.gradient(loss, v).numpy() == 4
    other = tf.Variable(1.0)
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = v * x
        loss = inner.gradient(y, x) * other
    assert outer.gradient(loss, other).numpy() == 2


def test_a_jacobian():
    v = tf.Variable([[1.0, 2.0], [3.0, 4.0]])
    with tf.GradientTape() as tape:
        y = v[:, 0] * v[:, 1]
    found = tape.jacobian(y, [v, tf.Variable(1.0)])
    assert found[0].shape == (2, 2, 2)
    assert found[0].numpy().tolist() == [[[2, 1], [0, 0]], [[0, 0], [4, 3]]]
    assert found[1] is None


@pytest.mark.parametrize("loss", [keras.losses.CategoricalCrossentropy(from_logits=True), keras.losses.Hinge(),
                                  keras.losses.BinaryCrossentropy(from_logits=True),
                                  keras.losses.MeanAbsoluteError()], ids=lambda loss: loss.name)  # fmt: skip
def test_a_loss_has_a_gradient_by_its_first_argument_too(loss, rng):
    t, y = rng.random((3, 4)), rng.standard_normal((3, 4))
    t /= t.sum(axis=1, keepdims=True)
    first, second = double(t), double(y)
    with tf.GradientTape() as tape:
        tape.watch([first, second])
        value = loss(first, second)
    found = tape.gradient(value, [first, second])

    def at():
        return float(loss.reduce(loss.values(t, double(y))).numpy())

    np.testing.assert_allclose(found[0].numpy(), numeric(at, t), rtol=1e-6, atol=1e-10)
    np.testing.assert_allclose(found[1].numpy(), numeric(at, y), rtol=1e-6, atol=1e-10)


# models ---------------------------------------------------------------------------------------------------------------


def network(seed=1, device=DOUBLE, **more):
    return keras.Sequential([L.Input((6, 6, 1)), L.Conv2D(3, 3, activation="tanh"), L.BatchNormalization(),
                             L.MaxPooling2D(), L.Flatten(), L.Dropout(0.4), L.Dense(3)], seed=seed, device=device,
                            **more)  # fmt: skip


def test_a_loop_with_a_tape_is_fit(rng):
    """Batch norm and dropout: the same weights, averages and draws, whether fit walks or the program does."""
    x, y = rng.random((8, 6, 6, 1)), np.arange(8) % 3
    ours, oracle = network(), network()
    oracle.compile(keras.optimizers.SGD(0.1, momentum=0.9), keras.losses.SparseCategoricalCrossentropy(True))
    oracle.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    loss_of, optimizer = keras.losses.SparseCategoricalCrossentropy(True), keras.optimizers.SGD(0.1, momentum=0.9)
    seen = keras.metrics.Mean()
    accuracy = keras.metrics.SparseCategoricalAccuracy()

    @tf.function(reduce_retracing=True)
    def step(x, y):
        with tf.GradientTape() as tape:
            logits = ours(x, training=True)
            loss = loss_of(y, logits)
        gradients = tape.gradient(loss, ours.trainable_variables)
        optimizer.apply_gradients(zip(gradients, ours.trainable_variables, strict=True))
        seen.update_state(loss)
        accuracy.update_state(y, logits)

    for _ in range(2):
        seen.reset_state()
        for rows in (slice(0, 4), slice(4, 8)):
            step(x[rows], y[rows])
    for mine, other in zip(ours.get_weights(), oracle.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-12, atol=1e-14)
    assert abs(ours.layers[1].moving_mean.numpy()).min() > 0
    assert float(seen.result()) == pytest.approx(oracle.history.history["loss"][-1], rel=1e-12)
    assert 0 <= accuracy.result().numpy() <= 1
    assert type(seen.result().numpy()) is float
    np.testing.assert_array_equal(ours.predict(x, verbose=0), ours(x, training=False).numpy())


def test_gradients_of_a_model_are_right(rng):
    model, x = network(), rng.random((4, 6, 6, 1))
    target = double(rng.standard_normal((4, 3)))
    step = model.streams.step

    def loss():
        model.streams.step = step  # the same draws
        return tf.reduce_sum(tf.square(model(x, training=True) - target))

    with tf.GradientTape() as tape:
        value = loss()
    weights = model.trainable_variables
    for weight, gradient in zip(weights, tape.gradient(value, weights), strict=True):
        expected = numeric(lambda: float(loss().numpy()), weight.data)
        np.testing.assert_allclose(gradient.numpy(), expected, rtol=1e-6, atol=1e-7, err_msg=weight.path)


@pytest.mark.parametrize("device", [DOUBLE, CPU("numpy_ref", "float32")], ids=["float64", "float32"])
def test_grad_cam(rng, device):
    """The gradient of a class's output by a layer's outputs of the same pass, and by the image."""
    model = network(device=device)
    image = rng.random((1, 6, 6, 1)).astype(np.float32)
    inner = keras.models.Model(model.inputs, [model.get_layer(index=0).output, model.output])
    with tf.GradientTape() as tape:
        maps, predictions = inner(image)
        best = tf.argmax(predictions[0])
        score = predictions[:, best]
    gradients = tape.gradient(score, maps)
    weights = tf.reduce_mean(gradients, axis=(0, 1, 2))
    heat = tf.squeeze(maps[0] @ weights[..., tf.newaxis])
    heat = tf.maximum(heat, 0) / (tf.math.reduce_max(heat) + 1e-9)
    assert heat.numpy().shape == (4, 4)

    rest = Plain([L.Input((4, 4, 3)), *(L.BatchNormalization(), L.MaxPooling2D(), L.Flatten(), L.Dense(3))],
                 device=DOUBLE)  # fmt: skip
    rest.set_weights(model.get_weights()[2:])
    held = maps.numpy().astype(float)
    expected = numeric(lambda: float(rest(held)[0, int(best)]), held)
    near = {"rtol": 1e-6} if device is DOUBLE else {"rtol": 1e-4, "atol": 1e-6}
    np.testing.assert_allclose(gradients.numpy(), expected, **near)

    x = tf.constant(image)
    with tf.GradientTape() as tape:
        tape.watch(x)
        score = model(x)[:, int(best)]
    saliency = tape.gradient(score, x)
    assert saliency.dtype == np.float32
    pixels = image.astype(float)
    exact = network()
    exact.set_weights(model.get_weights())
    expected = numeric(lambda: float(exact(pixels)[0, int(best)]), pixels)
    np.testing.assert_allclose(saliency.numpy(), expected, rtol=1e-3, atol=1e-5)


def gan():
    generator = keras.Sequential([L.Input((2,)), L.Dense(4, activation="tanh"), L.Dense(3)], seed=3, device=DOUBLE)
    discriminator = keras.Sequential([L.Input((3,)), L.Dense(5, activation="tanh"), L.Dense(1)], seed=4, device=DOUBLE)
    return generator, discriminator


def by_hand(weights, noise, real):
    """Losses of both and all gradients of two nets of two dense layers each, in plain NumPy."""
    (a, b, c, d), (e, f, g, h) = weights

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    def judged(x):
        hidden = np.tanh(x @ e + f)
        return hidden, hidden @ g + h

    def back(x, hidden, dz):
        dh = dz @ g.T * (1 - hidden**2)
        return (x.T @ dh, dh.sum(0), hidden.T @ dz, dz.sum(0)), dh @ e.T

    inner = np.tanh(noise @ a + b)
    fake = inner @ c + d
    (h_real, z_real), (h_fake, z_fake) = judged(real), judged(fake)
    n = len(noise)
    losses = np.log1p(np.exp(-z_fake)).mean(), np.log1p(np.exp(-z_real)).mean() + np.log1p(np.exp(z_fake)).mean()
    first, _ = back(real, h_real, (sigmoid(z_real) - 1) / n)
    second, _ = back(fake, h_fake, sigmoid(z_fake) / n)
    _, dfake = back(fake, h_fake, (sigmoid(z_fake) - 1) / n)
    dinner = dfake @ c.T * (1 - inner**2)
    return losses, (noise.T @ dinner, dinner.sum(0), inner.T @ dfake, dfake.sum(0)), [
        u + v for u, v in zip(first, second, strict=True)]  # fmt: skip


def test_three_steps_of_a_gan(rng):
    generator, discriminator = gan()
    cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    optimizers = keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.25)
    real = rng.standard_normal((4, 3)) + 2
    for _ in range(3):
        noise = tf.random.normal([4, 2])
        weights = generator.get_weights(), discriminator.get_weights()
        expected = by_hand(weights, noise.numpy().astype(float), real)
        with tf.GradientTape() as gen_tape, tf.GradientTape() as disc_tape:
            fake = generator(noise, training=True)
            real_output = discriminator(real, training=True)
            fake_output = discriminator(fake, training=True)
            gen_loss = cross_entropy(tf.ones_like(fake_output), fake_output)
            disc_loss = (cross_entropy(tf.ones_like(real_output), real_output)
                         + cross_entropy(tf.zeros_like(fake_output), fake_output))  # fmt: skip
        of_generator = gen_tape.gradient(gen_loss, generator.trainable_variables)
        of_discriminator = disc_tape.gradient(disc_loss, discriminator.trainable_variables)
        assert [float(gen_loss), float(disc_loss)] == pytest.approx(expected[0], rel=1e-12)
        for mine, theirs in zip((*of_generator, *of_discriminator), (*expected[1], *expected[2]), strict=True):
            np.testing.assert_allclose(mine.numpy(), theirs, rtol=1e-10, atol=1e-14)
        optimizers[0].apply_gradients(zip(of_generator, generator.trainable_variables, strict=True))
        optimizers[1].apply(of_discriminator, discriminator.trainable_variables)
        for model, before, steps, rate in zip((generator, discriminator), weights, expected[1:], (0.5, 0.25),
                                              strict=True):  # fmt: skip
            for now, was, step in zip(model.get_weights(), before, steps, strict=True):
                np.testing.assert_allclose(now, was - rate * step, rtol=1e-10, atol=1e-14)


def test_a_model_of_two_inputs_takes_an_array_beside_a_tensor(rng):
    a, b = L.Input((3,)), L.Input((3,))
    judge = keras.Model([a, b], L.Dense(1)(L.Concatenate()([a, b])), seed=1, device=DOUBLE)
    image, source = rng.random((2, 3)), tf.Variable(rng.random((2, 3)))
    with tf.GradientTape() as tape:
        y = judge([image, source])
    expected = np.broadcast_to(judge.get_weights()[0][3:, 0], (2, 3))
    np.testing.assert_allclose(tape.gradient(y, source).numpy(), expected, rtol=1e-6)


class Clipped(L.Layer):
    def build(self, input_shape):
        self.w = self.add_weight(name="w", shape=(5,), initializer="ones",
                                 constraint=lambda w: tf.clip_by_value(w, -1, 1))  # fmt: skip

    def call(self, x):
        return x * self.w


def test_constraints_hold_after_a_step_by_hand(rng):
    """As after every step of fit: the weights of a Wasserstein critic stay small."""
    critic = keras.Sequential([L.Input((3,)), L.Dense(5, kernel_constraint="non_neg"), Clipped()], seed=1)
    optimizer, weights = keras.optimizers.SGD(10.0), critic.trainable_variables
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(critic(rng.standard_normal((4, 3)) - 1.0)))
    optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
    kernel, bias, w = critic.get_weights()
    assert kernel.min() == 0
    assert abs(bias).max() > 1
    assert abs(w).max() == 1


class Sampling(L.Layer):
    def call(self, inputs):
        mean, log_var = inputs
        return mean + tf.exp(0.5 * log_var) * tf.random.normal(shape=(tf.shape(mean)[0], tf.shape(mean)[1]), seed=1)


def test_a_variational_autoencoder_learns(rng):
    x = L.Input((6,))
    h = L.Dense(8, activation="relu")(x)
    mean, log_var = L.Dense(2)(h), L.Dense(2)(h)
    encoder = keras.Model(x, [mean, log_var, Sampling()([mean, log_var])], seed=1, device=DOUBLE)
    decoder = keras.Sequential([L.Input((2,)), L.Dense(8, activation="relu"), L.Dense(6, activation="sigmoid")], seed=2,
                               device=DOUBLE)  # fmt: skip
    optimizer, seen = keras.optimizers.Adam(0.05), []
    data = (rng.random((32, 1)) > 0.5).repeat(6, axis=1).astype(np.float32)
    for _ in range(60):
        with tf.GradientTape() as tape:
            mean, log_var, z = encoder(data, training=True)
            rebuilt = tf.reduce_mean(tf.reduce_sum(tf.square(data - decoder(z, training=True)), axis=1))
            kl = -0.5 * tf.reduce_mean(tf.reduce_sum(1 + log_var - tf.square(mean) - tf.exp(log_var), axis=1))
            loss = rebuilt + 0.01 * kl
        weights = encoder.trainable_weights + decoder.trainable_weights
        gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, weights), 5.0)
        optimizer.apply_gradients(zip(gradients, weights, strict=True))
        seen.append(float(loss))
    assert seen[-1] < 0.7 * seen[0]


def test_outside_of_a_tape_a_model_of_keras_answers_what_may_be_asked_for_numpy(rng):
    model = network()
    y = model(rng.random((2, 6, 6, 1)).astype(np.float32))
    assert isinstance(y, np.ndarray)
    assert type(y.numpy()) is np.ndarray


def test_norms_of_several_tensors():
    a, b = tf.constant([3.0, 0.0]), tf.constant([[4.0]])
    assert tf.global_norm([a, None, b]).numpy() == 5
    clipped, length = tf.clip_by_global_norm([a, None, b], 1.0)
    assert length.numpy() == 5
    np.testing.assert_allclose(clipped[0].numpy(), [0.6, 0], rtol=1e-6)
    assert clipped[1] is None
    assert tf.clip_by_global_norm([a], 10.0)[0][0].numpy().tolist() == [3, 0]
    assert tf.argmax([[1.0, 5.0], [2.0, 3.0]]).numpy().tolist() == [1, 0]  # along the first axis
    assert tf.argmin([[1.0, 5.0], [2.0, 3.0]], axis=1).numpy().tolist() == [0, 0]
    assert tf.squeeze(np.ones((1, 2, 1))).shape == (2,)
    assert tf.squeeze(np.ones((1, 2, 1)), axis=[0, -1]).shape == (2,)
    assert tf.TensorSpec([None, 3], tf.float32).shape == [None, 3]


def test_a_list_of_tensors_is_stacked_with_its_gradients():
    v, w = tf.Variable(2.0), tf.Variable([3.0, 4.0])
    with tf.GradientTape() as tape:
        y = tf.reduce_sum([v * v, tf.reduce_mean(w), 1.0]) + tf.reduce_sum(tf.square([[w, w], [w, w]]))
    found = tape.gradient(y, [v, w])
    assert found[0].numpy() == 4
    assert found[1].numpy().tolist() == [24.5, 32.5]


def test_what_layers_add_to_a_loss_is_asked_of_the_model(rng):
    x = rng.standard_normal((4, 3))
    shared = L.Dense(3, activity_regularizer=keras.regularizers.L2(0.5), kernel_regularizer="l1")
    inputs = L.Input((3,))
    model = keras.Model(inputs, L.Dense(1)(shared(shared(inputs))), seed=1, device=DOUBLE)
    with tf.GradientTape() as tape:
        y = model(x, training=True)
        loss = tf.reduce_mean(y) + sum(model.losses)
    assert len(model.losses) == 3  # of two calls, and of the weight
    kernel, bias, *last = (w.data for w in model.trainable_variables)

    def by_hand():
        first = x @ kernel + bias
        second = first @ kernel + bias
        return float((second @ last[0] + last[1]).mean() + 0.5 * ((first**2).sum() + (second**2).sum()) / 4
                     + 0.01 * abs(kernel).sum())  # fmt: skip

    assert float(loss) == pytest.approx(by_hand(), rel=1e-12)
    gradients = tape.gradient(loss, model.trainable_variables)
    np.testing.assert_allclose(gradients[0].numpy(), numeric(by_hand, kernel), rtol=1e-6, atol=1e-9)
    model(x)
    assert len(model.losses) == 3  # of the latest call
    assert keras.Sequential([L.Input((3,)), L.Dense(1)]).losses == []


class Pair(keras.Model):
    """No call: a loop of one's own asks its parts."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.encoder = keras.Sequential([L.Input((6,)), L.Dense(4)], device=DOUBLE)
        self.decoder = keras.Sequential([L.Dense(6, activation=tf.nn.tanh,
                                                 kernel_initializer=tf.random_normal_initializer(0.0, 0.5))],
                                        device=DOUBLE)  # fmt: skip
        self.scale = tf.Variable(1.0, name="scale")

    def rebuilt(self, x):
        mean, spread = tf.split(self.encoder(x), num_or_size_splits=2, axis=1)
        return self.decoder(mean + spread) * self.scale


def test_a_model_without_a_call_holds_parts(rng):
    model, x = Pair(name="pair"), double(rng.random((4, 6)))
    assert len(model.trainable_variables) == 3  # those that are there
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(x - model.rebuilt(x)))
    weights = model.trainable_variables
    assert [w.name for w in weights] == ["scale", "kernel", "bias", "kernel", "bias"]
    gradients = tape.gradient(loss, weights)
    for weight, gradient in zip(weights, gradients, strict=True):
        found = numeric(lambda: float(tf.reduce_mean(tf.square(x - model.rebuilt(x))).numpy()), weight.data,
                        step=1e-2 if weight.name == "scale" else 1e-4)  # fmt: skip
        np.testing.assert_allclose(gradient.numpy(), found, rtol=1e-4 if weight.name == "scale" else 1e-6, atol=1e-9)
    keras.optimizers.SGD(0.1).apply_gradients(zip(gradients[1:], weights[1:], strict=True))
    assert model.non_trainable_variables == []
    model.trainable = False
    assert not model.trainable_variables
    with pytest.raises(NotImplementedError, match="Pair: write call"):
        model.predict(x.numpy())


def test_parts_of_a_model_come_after_super_init():
    class Early(keras.Model):
        def __init__(self):
            self.blocks = [L.Dense(3)]
            super().__init__()

    with pytest.raises(errors.OrderError, match=r"Early: blocks.0: expected super\(\).__init__\(\) before layers"):
        Early()
