"""Keras's `fit` of network A on a GPU, on its JAX or PyTorch backend; prints one line of JSON.  Started by ../gpu.py.

The same calls as ours: model, optimizer, loss and accuracy from the same recipe, epochs of `fit` on arrays. Keras keeps
the arrays where they are and sends each batch. Timed is the clock on the wall around a whole epoch, whose results Keras
waits for. float32 asks for full products, tf32 for TF32's, bf16 is the policy mixed_bfloat16.
"""

import argparse
import importlib.util
import json
import os
import time

import numpy as np

import minicnn

WARM_UP = 2  # epochs that compile, and are not counted


def prepare(way: str, precision: str, device: str) -> tuple[str, dict]:
    """Point Keras at its backend, the products' precision and the device: (the device's name, versions)."""
    for package in ("keras", way):
        if importlib.util.find_spec(package) is None:
            raise SystemExit(f"gpu_keras: expected the package {package} to be installed, received none")
    os.environ |= {"KERAS_BACKEND": way, "KERAS_TORCH_DEVICE": device}
    name = _jax(precision, device) if way == "jax" else _torch(precision, device)
    import keras

    if precision == "bf16":
        keras.config.set_dtype_policy("mixed_bfloat16")
    return name, {"keras": keras.__version__, way: importlib.import_module(way).__version__}


def _jax(precision, device) -> str:
    import jax

    try:
        place = jax.devices("gpu" if device == "cuda" else device)[0]
    except RuntimeError:
        raise SystemExit(f"gpu_keras: expected a device {device} that JAX can use, received none") from None
    jax.config.update("jax_default_device", place)
    jax.config.update("jax_default_matmul_precision", "highest" if precision == "float32" else "default")
    return place.device_kind


def _torch(precision, device) -> str:
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("gpu_keras: expected a device cuda that PyTorch can use, received none")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.benchmark = True
    return torch.cuda.get_device_name() if device == "cuda" else "CPU"


def epochs(batch: int, steps: int, count: int) -> list[float]:
    """Seconds of each of `count` epochs of `steps` batches."""
    import keras

    class Clock(keras.callbacks.Callback):
        """Seconds from an epoch's beginning until its loss has arrived."""

        seconds: list[float] = []  # noqa: RUF012  (one clock)

        def on_epoch_begin(self, epoch, logs=None):
            self.began = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            assert np.isfinite(float(logs["loss"])), "the loss is not finite"
            self.seconds.append(time.perf_counter() - self.began)

    recipe, clock = minicnn.recipes.kaggle_bn, Clock()
    rng, n = np.random.default_rng(0), batch * steps  # what is in the images does not matter
    x, y = rng.random((n, 28, 28, 1), np.float32), np.eye(10, dtype=np.float32)[rng.integers(0, 10, n)]
    model = recipe.build(keras)
    model.compile(recipe.make_optimizer(keras), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=batch, epochs=count, verbose=0, callbacks=[clock])
    return clock.seconds


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--way", choices=["jax", "torch"], default="jax", help="Keras's backend")
    p.add_argument("--precision", choices=["float32", "tf32", "bf16"], default="float32")
    p.add_argument("--device", default="cuda")
    for name in ("batch", "steps", "samples"):
        p.add_argument(f"--{name}", type=int, required=True)
    args = p.parse_args()
    device, versions = prepare(args.way, args.precision, args.device)
    seconds = epochs(args.batch, args.steps, WARM_UP + args.samples)[WARM_UP:]
    print(json.dumps({"versions": versions, "device": device, "seconds": [s / args.steps for s in seconds]}))


if __name__ == "__main__":
    main()
