"""minicnn's side of the comparison: the passes that keras_worker.passes makes, through minicnn's layers and tape."""

import numpy as np

from minicnn.core.tensor import Tensor, no_grad


def passes(model, x, y, *, training: bool, loss: str) -> dict:
    """Forward and backward as train_step does it (logits where the loss is fused), with a probe at every output.

    Returns outputs and their gradients (None where the fused loss has no such tensor), the weights' gradients, the
    moving averages after, and the loss.
    """
    be, probes, outputs = model.backend, [], []

    def probe(t: Tensor) -> Tensor:
        probes.append(Tensor(be.xp.zeros(t.shape, be.dtype), be, requires_grad=True))
        return t + probes[-1]

    for p in model.weights:
        p.grad = None
    fused = loss == "cross-entropy" and model.fused
    with be.running():
        h = probe(Tensor(np.asarray(x, be.dtype), be))
        for layer in model.layers:
            if fused and layer is model.layers[-1]:
                h = layer.preactivation(h, training=training)
                with no_grad():
                    outputs.append(layer.activation(h).numpy())
            else:
                out = layer(h, training=training)
                outputs.append(out.numpy().copy())
                h = probe(out)
        if loss == "dot":
            h.backward(be.asarray(np.asarray(y, be.dtype)))
            value = float((h.numpy() * y).sum())
        else:
            target = be.asarray(model.loss.prepare(y, model.sample_out), be.dtype)
            total = model.loss.reduce(model.loss.values(target, h, logits=fused))
            total.backward()
            value = float(total.numpy())
    return {
        "loss": value,
        "out": outputs,
        "dout": [p.grad for p in probes] + [None] * fused,
        "dw": [p.grad for p in model.trainable_weights],
        "moving": [p.numpy() for p in model.non_trainable_weights],
    }
