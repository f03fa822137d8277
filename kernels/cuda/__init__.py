"""Float32 kernels for NVIDIA GPUs: CUDA C++ in the .cu files, their host side in the .py file of the same stem.

A host function takes a launcher first, then the contract's arguments. `bind(launcher)` gives the kernel set of a place:

      bind(CuPyLauncher("tf32"))       the current GPU, matrix products on tensor cores
      kernels.load("cuda")             the current GPU, strict float32; ImportError without CuPy

No GPU has run these files yet. What is known comes from the compilers (every variant builds for sm_90 without register
spills, one of each file for sm_80; instruction counts are held by tests/cuda/test_sass.py), from the tests' emulation,
which holds the same files to the contract on a CPU, and from a time model, benchmarks/gpu_model.py, which is an
estimate. So a GPU checks each kernel for itself before it is trusted: selfcheck.py.
"""

from functools import cache, partial

from . import activation, conv, dense, depthwise, loss, norm, optimizer, pool, random, warp
from .launch import CuPyLauncher, Launcher

KERNELS = {
    "activation": ("bias_grad", "relu", "relu_bias_grad", "relu_grad"),
    "conv": ("conv2d", "conv2d_folded", "conv2d_input_grad", "conv2d_weight_grad"),
    "dense": ("dense", "dense_input_grad", "dense_weight_grad"),
    "depthwise": ("depthwise_conv2d", "depthwise_conv2d_input_grad", "depthwise_conv2d_weight_grad"),
    "loss": ("softmax", "softmax_cross_entropy"),
    "norm": ("batch_norm", "batch_norm_grad", "batch_norm_max_pool", "batch_norm_max_pool_grad", "batch_norm_stats"),
    "optimizer": ("adadelta_step", "adagrad_step", "adam_step", "adamax_step", "ftrl_step", "lion_step", "nadam_step",
                  "rmsprop_step", "sgd_step"),
    "pool": ("average_pool", "average_pool_grad", "max_pool", "max_pool_grad"),
    "random": ("dropout", "philox"),
    "warp": ("affine_warp",),
}  # fmt: skip
FUNCTIONS = {
    name: getattr(module, name)
    for module in (activation, conv, dense, depthwise, loss, norm, optimizer, pool, random, warp)
    for name in KERNELS[module.__name__.rpartition(".")[2]]
}


def bind(gpu: Launcher) -> dict:
    """Every kernel of the contract, by name, running on `gpu`."""
    return {name: partial(function, gpu) for name, function in FUNCTIONS.items()}


@cache
def _default() -> dict:
    return bind(CuPyLauncher())


def __getattr__(name):
    """The kernels as attributes of the module, on the current GPU.  Raises ImportError without CuPy."""
    if name in FUNCTIONS:
        return _default()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
