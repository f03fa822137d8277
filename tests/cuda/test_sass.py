"""Gates on the machine code for sm_90: no spills, and no more instructions than were seen, with a few for the compiler.

What made them few: rows of addresses out of the K loop, cvt.rn.tf32, __restrict__, divisions as multiplications.
"""

import pytest

from minicnn.kernels.cuda.launch import gemm_options
from tests.cuda import nvrtc, sass

needs_tools = pytest.mark.skipif(
    nvrtc.library() is None or sass.tools() is None,
    reason="no NVRTC, cuobjdump or nvdisasm: pip install nvidia-cuda-nvrtc nvidia-cuda-cuobjdump nvidia-cuda-nvdisasm",
)
SPARE = 1.06

# kernel: instructions of the loop, of which on the tensor cores; registers that three (two) blocks leave to a thread
PRODUCTS = {
    ("conv", 4, 4): {
        "conv2d_32": (289, 32, 255), "conv2d_64": (245, 32, 170), "conv2d_input_grad_32": (426, 32, 255),
        "conv2d_input_grad_64": (317, 32, 170), "conv2d_weight_grad_32": (291, 16, 128),
        "conv2d_weight_grad_64": (337, 32, 170),
    },
    ("conv", 1, 4): {"conv2d_32": (573, 32, 255), "conv2d_weight_grad_32": (736, 16, 128)},
    ("dense", 4, 4): {
        "dense_64": (236, 32, 170), "dense_input_grad": (242, 32, 170), "dense_weight_grad": (238, 32, 170),
    },
}  # fmt: skip
WHOLE = {  # kernel: its instructions
    "norm_relu_parts": 491, "pool_norm_relu_parts": 1006, "pool_norm_parts": 794, "norm_grad_parts": 623,
    "dropout_norm_parts": 454, "dropout_norm_relu_parts": 496, "batch_norm_dropout": 218,
}  # fmt: skip


@needs_tools
def test_column_passes():
    found = sass.kernels("norm")
    assert {name: k.spilled for name, k in found.items() if k.spilled} == {}
    assert {name: found[name].instructions for name in WHOLE if found[name].instructions > SPARE * WHOLE[name]} == {}


@needs_tools
@pytest.mark.parametrize("stem", ["loss", "step"])
def test_what_a_step_ends_with(stem):
    """blend_pairs chooses among 32 pairs in registers: an array of them in memory would be a spill."""
    assert {name: k.spilled for name, k in sass.kernels(stem).items() if k.spilled} == {}


@needs_tools
@pytest.mark.slow
@pytest.mark.parametrize("case", PRODUCTS, ids=str)
def test_products(case):
    stem, *sizes = case
    found = sass.kernels(stem, gemm_options("tf32", *sizes))
    assert {name: k.spilled for name, k in found.items() if k.spilled} == {}
    for name, (loop, hmma, registers) in PRODUCTS[case].items():
        k = found[name]
        assert k.hmma == hmma, name
        assert k.loop <= SPARE * loop, name
        assert k.registers <= registers, name
        assert k.count("HMMA.1688.F32.TF32") >= hmma, name


@needs_tools
def test_the_gate_sees_a_longer_loop(monkeypatch):
    """Without __restrict__ every store makes the compiler read and divide again."""
    text = sass.source("norm").replace("__restrict__", "")
    monkeypatch.setattr(sass, "source", lambda stem: text)
    found = sass.kernels.__wrapped__("norm")
    assert found["norm_relu_parts"].instructions > SPARE * WHOLE["norm_relu_parts"]
