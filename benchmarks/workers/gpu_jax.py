"""Network A in plain JAX: an epoch of steps as one jitted scan, data on the device; prints one line of JSON.

JAX has no events that a program can read: the clock on the wall around a whole epoch that is waited for, which the scan
makes one call. float32 asks for full products, tf32 for the default ones, bf16 casts weights and images for the
products; statistics, weights and Adam stay float32. Started by ../gpu.py.
"""

import argparse
import json
import math
import time

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

CONVS = ((5, 1, 32), (5, 32, 32), (3, 32, 64), (3, 64, 64))
DENSE = ((3136, 256), (256, 10))


def initial(rng):
    def kernel(*shape):
        return jnp.asarray(rng.normal(0, math.sqrt(2 / math.prod(shape[:-1])), shape), jnp.float32)

    convs = [(kernel(k, k, c, o), jnp.zeros(o), jnp.ones(o), jnp.zeros(o)) for k, c, o in CONVS]
    dense = [(kernel(i, o), jnp.zeros(o)) for i, o in DENSE]
    return {"convs": convs, "dense": dense, "norm": (jnp.ones(256), jnp.zeros(256))}


def normalised(x, gamma, beta):
    axes = tuple(range(x.ndim - 1))
    mean, var = x.mean(axes), x.var(axes)
    return (x - mean) * lax.rsqrt(var + 1e-3) * gamma + beta, (mean, var)


def dropped(x, rate, key):
    return jnp.where(jax.random.bernoulli(key, 1 - rate, x.shape), x / (1 - rate), 0)


def loss_of(weights, x, y, key, cast):
    keys, moments = jax.random.split(key, 3), []
    for i, (w, b, gamma, beta) in enumerate(weights["convs"]):
        x = lax.conv_general_dilated(cast(x), cast(w), (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        x, found = normalised(jax.nn.relu(x.astype(jnp.float32) + b), gamma, beta)
        moments.append(found)
        if i % 2:
            x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
            x = dropped(x, 0.25, keys[i // 2])
    (w1, b1), (w2, b2) = weights["dense"]
    x = jax.nn.relu((cast(x.reshape(len(x), -1)) @ cast(w1)).astype(jnp.float32) + b1)
    x, found = normalised(x, *weights["norm"])
    moments.append(found)
    z = (cast(dropped(x, 0.5, keys[2])) @ cast(w2)).astype(jnp.float32) + b2
    return -(jax.nn.log_softmax(z) * y).sum(-1).mean(), moments


def make_epoch(images, labels, batch, steps, cast):
    """(state, key) -> (state, losses): every step gathers its rows, learns by Adam, moves the averages."""

    def step(state, given):
        weights, m, v, averages, t = state
        rows, key = given
        (loss, moments), g = jax.value_and_grad(loss_of, has_aux=True)(weights, images[rows], labels[rows], key, cast)
        t = t + 1
        rate = 1e-3 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        m = jax.tree.map(lambda m, g: m + 0.1 * (g - m), m, g)
        v = jax.tree.map(lambda v, g: v + 0.001 * (g * g - v), v, g)
        weights = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-7), weights, m, v)
        averages = jax.tree.map(lambda a, b: 0.99 * a + 0.01 * b, averages, moments)
        return (weights, m, v, averages, t), loss

    def epoch(state, key):
        order, *keys = jax.random.split(key, steps + 1)
        rows = jax.random.permutation(order, len(images)).reshape(steps, batch)
        return lax.scan(step, state, (rows, jnp.stack(keys)))

    return jax.jit(epoch, donate_argnums=0)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--way", choices=["jit"], default="jit")
    p.add_argument("--precision", choices=["float32", "tf32", "bf16"], default="float32")
    p.add_argument("--device", default="gpu")
    for name in ("batch", "steps", "samples"):
        p.add_argument(f"--{name}", type=int, required=True)
    args = p.parse_args()
    place = jax.devices(args.device)[0]  # raises where there is none
    jax.config.update("jax_default_device", place)
    jax.config.update("jax_default_matmul_precision", "highest" if args.precision == "float32" else "default")
    rng, n = np.random.default_rng(0), args.batch * args.steps  # what is in the images does not matter
    images = jnp.asarray(rng.random((n, 28, 28, 1), np.float32))
    labels = jax.nn.one_hot(rng.integers(0, 10, n), 10)
    weights = initial(rng)
    zeros = [jax.tree.map(jnp.zeros_like, weights) for _ in range(2)]
    averages = [(jnp.zeros(o), jnp.ones(o)) for *_, o in CONVS] + [(jnp.zeros(256), jnp.ones(256))]
    cast = (lambda a: a.astype(jnp.bfloat16)) if args.precision == "bf16" else lambda a: a
    epoch = make_epoch(images, labels, args.batch, args.steps, cast)
    state, seconds = (weights, *zeros, averages, jnp.float32(0)), []
    for sample in range(args.samples + 1):
        began = time.perf_counter()
        state, losses = epoch(state, jax.random.key(sample))
        losses.block_until_ready()
        seconds.append((time.perf_counter() - began) / args.steps)
    assert bool(jnp.isfinite(losses).all()), "the loss is not finite"
    print(json.dumps({"versions": {"jax": jax.__version__}, "device": place.device_kind, "seconds": seconds[1:]}))


if __name__ == "__main__":
    main()
