"""The order in which threads and blocks run changes nothing: no barrier is missing, and no sum depends on it."""

import numpy as np
import pytest

from minicnn.kernels import KERNELS
from minicnn.kernels.cuda import bind, launch, selfcheck
from minicnn.kernels.cuda.launch import PRECISIONS
from tests.cuda import emulation
from tests.kernels.test_contract import Kernels, a_case, results

CASES = [(kernel, "float32") for kernel in KERNELS]
CASES += [("dense_input_grad", p) for p in PRECISIONS[1:]]
CASES += [pytest.param(kernel, p, marks=pytest.mark.slow) for kernel in ("conv2d", "conv2d_weight_grad")
          for p in PRECISIONS[1:]]  # fmt: skip


@pytest.mark.parametrize(("kernel", "precision"), CASES)
def test_the_same_bytes_from_last_to_first(rng, kernel, precision):
    ks = Kernels("numpy_ref", "float32")
    ks.array, ks.numpy = emulation.to_device, emulation.to_host
    args, kwargs = a_case(ks, rng, kernel)
    outputs = []
    for reverse in (False, True):
        ks.own = bind(emulation.launcher(precision, reverse))
        outputs.append([out.tobytes() for out in results(ks, kernel, args, kwargs) if out is not None])
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize("name", selfcheck.BLOCKS)
def test_blocks_too(name):
    outputs = []
    for reverse in (False, True):
        gpu = emulation.launcher("float32", reverse)
        for args, how in selfcheck.cases(name, np.random.default_rng(1)):
            given = [emulation.to_device(arg.astype(np.float32)) for arg in args]
            found = selfcheck.BLOCKS[name](gpu, *given, **how)
            outputs.append([emulation.to_host(a).tobytes() for a in (found if isinstance(found, tuple) else (found,))])
    assert outputs[0] == outputs[1]



CHECKED = "-fsanitize=alignment,bounds,shift,signed-integer-overflow,integer-divide-by-zero,float-cast-overflow"


@pytest.mark.slow
@pytest.mark.parametrize("kernel", [k for k in KERNELS if not k.startswith(("conv2d", "dense", "philox"))])
def test_nothing_is_undefined(rng, kernel, monkeypatch, capfd):
    """Indices within static arrays, shifts, overflows, vectors' alignment, as g++ checks them."""
    monkeypatch.setattr(emulation, "FLAGS", (*emulation.FLAGS, CHECKED))
    ks = Kernels("numpy_ref", "float32")
    ks.array, ks.numpy, ks.own = emulation.to_device, emulation.to_host, bind(emulation.launcher())
    args, kwargs = a_case(ks, rng, kernel)
    assert results(ks, kernel, args, kwargs)
    assert "runtime error" not in capfd.readouterr().err


@pytest.mark.slow
def test_what_is_undefined_is_seen(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(emulation, "FLAGS", (*emulation.FLAGS, CHECKED))
    gpu, x = emulation.launcher(), emulation.to_device(np.ones(8, np.float32))
    text = launch.source("activation").replace("rectify(x[i])", "x[i] * (n << (i + 32))")
    monkeypatch.setattr(emulation, "source", lambda stem: text)
    gpu("activation", "relu", 1, 256, x, gpu.xp.empty_like(x), 8)
    assert "runtime error: shift exponent 3" in capfd.readouterr().err
