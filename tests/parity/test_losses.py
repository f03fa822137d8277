"""Losses and metrics against Keras's: values, gradients, sample weights, reductions, label smoothing."""

import numpy as np
import pytest

import minicnn as mc

from .wire import pack

pytestmark = pytest.mark.parity

N, K = 7, 5
CASES = [
    ("CategoricalCrossentropy", {}),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}),
    ("CategoricalCrossentropy", {"from_logits": True}),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.2}),
    ("SparseCategoricalCrossentropy", {}),
    ("SparseCategoricalCrossentropy", {"from_logits": True}),
    ("BinaryCrossentropy", {}),
    ("BinaryCrossentropy", {"label_smoothing": 0.1}),
    ("BinaryCrossentropy", {"from_logits": True}),
    ("MeanSquaredError", {}),
    ("MeanAbsoluteError", {}),
    ("SparseCategoricalCrossentropy", {"ignore_class": 2}),
    ("MeanAbsolutePercentageError", {}),
    ("MeanSquaredLogarithmicError", {}),
    ("Huber", {}),
    ("Huber", {"delta": 0.4}),
    ("LogCosh", {}),
    ("CosineSimilarity", {}),
    ("KLDivergence", {}),
    ("Poisson", {}),
    ("Hinge", {}),
    ("SquaredHinge", {}),
    ("CategoricalHinge", {}),
    ("BinaryFocalCrossentropy", {}),
    ("BinaryFocalCrossentropy", {"apply_class_balancing": True, "gamma": 1.5, "alpha": 0.3, "label_smoothing": 0.1}),
    ("BinaryFocalCrossentropy", {"from_logits": True}),
    ("CategoricalFocalCrossentropy", {}),
    ("CategoricalFocalCrossentropy", {"from_logits": True, "gamma": 3, "alpha": 0.6, "label_smoothing": 0.1}),
    ("CategoricalGeneralizedCrossEntropy", {"q": 0.7}),
    ("Dice", {}),
    ("Dice", {"axis": 1}),
    ("Tversky", {"alpha": 0.3, "beta": 0.8}),
    ("Tversky", {"axis": -1}),
]
POSITIVE = ("KLDivergence", "Poisson", "Dice", "Tversky", "MeanSquaredLogarithmicError")


def problem(name, options, seed=0):
    rng = np.random.default_rng(seed)
    p = rng.standard_normal((N, K)) * 3
    if "Binary" in name:
        y = rng.integers(0, 2, (N, K)).astype(float)
        p = p if options.get("from_logits") else 1 / (1 + np.exp(-p))
    elif "crossentropy" in name.lower():
        y = rng.integers(0, K, N)
        y = y if "Sparse" in name or "Generalized" in name else np.eye(K)[y]
        p = p if options.get("from_logits") else np.exp(p) / np.exp(p).sum(1, keepdims=True)
    elif name in POSITIVE:
        y, p = rng.uniform(0, 1, (N, K)), rng.uniform(0.05, 0.95, (N, K))
    else:
        y = np.eye(K)[rng.integers(0, K, N)] if name == "CategoricalHinge" else rng.standard_normal((N, K))
    return y, p, rng.uniform(0, 2, N)


def compared(name, options, reduction, weighted) -> bool:
    """Not where minicnn refuses, nor one value of a batch with a weight for each sample."""
    mean = reduction.startswith("mean_")
    return not (mean and (options.get("ignore_class") or (weighted and name in ("Dice", "Tversky"))))


EVERY = [
    pytest.param(name, options, reduction, weighted, id=f"{name}-{options}-{reduction}-{'weighted' * weighted}")
    for name, options in CASES
    for reduction in ("sum_over_batch_size", "sum", "mean_with_sample_weight", "none")
    for weighted in (False, True)
    if compared(name, options, reduction, weighted)
]


@pytest.mark.parametrize(("name", "options", "reduction", "weighted"), EVERY)
def test_loss(keras64, name, options, reduction, weighted, yardstick):
    y, p, w = problem(name, options)
    options = options | {"reduction": reduction}
    _, theirs = keras64("loss_values", {"y": y, "p": p} | ({"w": w} if weighted else {}), name=name, options=options)
    tensor = mc.Tensor(p, requires_grad=True)
    value = getattr(mc.losses, name)(**options)(y, tensor, sample_weight=w if weighted else None)
    yardstick.relative("losses float64: values", f"{name} {options}", value.numpy(), theirs["value"], 1e-9)
    value.backward(np.ones_like(value.numpy()))
    yardstick.relative("losses float64: gradients", f"{name} {options}", tensor.grad, theirs["gradient"], 1e-9)


def test_probabilities_of_0_and_1_are_clipped_alike(keras64, yardstick):
    p = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    y = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    for name in ("CategoricalCrossentropy", "BinaryCrossentropy"):
        _, theirs = keras64("loss_values", {"y": y, "p": p}, name=name, options={})
        value = getattr(mc.losses, name)()(y, p)
        yardstick.relative("losses float64: values", f"{name} of 0 and 1", value, theirs["value"], 1e-9)


METRICS = [
    ("CategoricalAccuracy", {}), ("SparseCategoricalAccuracy", {}), ("BinaryAccuracy", {}),
    ("TopKCategoricalAccuracy", {"k": 2}), ("SparseTopKCategoricalAccuracy", {"k": 3}), ("MeanSquaredError", {}),
    ("MeanAbsoluteError", {}), ("RootMeanSquaredError", {}), ("CategoricalCrossentropy", {}),
    ("SparseCategoricalCrossentropy", {}), ("BinaryCrossentropy", {}),
    *((name, options) for name in ("Precision", "Recall") for options in (
        {}, {"thresholds": [0.1, 0.5, 0.3]}, {"top_k": 2}, {"class_id": 1}, {"thresholds": 0.2, "top_k": 3})),
    *((name, {"thresholds": t}) for name in ("TruePositives", "TrueNegatives", "FalsePositives", "FalseNegatives")
      for t in (None, 0.2, [0.05, 0.3])),
    ("SensitivityAtSpecificity", {"specificity": 0.7}), ("SpecificityAtSensitivity", {"sensitivity": 0.4}),
    ("PrecisionAtRecall", {"recall": 0.3}), ("RecallAtPrecision", {"precision": 0.3, "num_thresholds": 50}),
    *(("AUC", {"curve": c, "summation_method": m}) for c in ("ROC", "PR", "PRGAIN")
      for m in ("interpolation", "minoring", "majoring")),
    ("AUC", {"num_thresholds": 17}), ("AUC", {"thresholds": [0.7, 0.1, 0.2]}), ("AUC", {"multi_label": True}),
    ("AUC", {"multi_label": True, "curve": "PR", "num_labels": K, "label_weights": [1.0, 2.0, 0.5, 1.0, 3.0]}),
    ("AUC", {"label_weights": [1.0, 2.0, 0.5, 1.0, 3.0]}), ("AUC", {"from_logits": True}),
    *((name, {"average": a, "threshold": t}) for name in ("F1Score", "FBetaScore")
      for a in (None, "micro", "macro", "weighted") for t in (None, 0.3)), ("FBetaScore", {"beta": 0.5}),
    ("BinaryIoU", {"threshold": 0.3}), ("BinaryIoU", {"target_class_ids": [1]}),
    ("OneHotIoU", {"num_classes": K, "target_class_ids": [0, 3]}), ("OneHotMeanIoU", {"num_classes": K}),
    ("MeanIoU", {"num_classes": K, "sparse_y_pred": False}),
    ("IoU", {"num_classes": K, "target_class_ids": [1, 2], "sparse_y_pred": False, "ignore_class": 2}),
    ("R2Score", {}), ("R2Score", {"class_aggregation": "variance_weighted_average"}),
    ("R2Score", {"class_aggregation": None, "num_regressors": 3}),
    ("MeanAbsolutePercentageError", {}), ("MeanSquaredLogarithmicError", {}), ("LogCoshError", {}),
    ("CosineSimilarity", {}), ("CosineSimilarity", {"axis": 1}), ("PearsonCorrelation", {}),
    ("ConcordanceCorrelation", {}), ("Hinge", {}), ("SquaredHinge", {}), ("CategoricalHinge", {}),
    ("KLDivergence", {}), ("Poisson", {}),
]  # fmt: skip
SPARSE = ("MeanIoU", "IoU")
UNWEIGHTED = (*SPARSE, "BinaryIoU", "OneHotIoU", "OneHotMeanIoU")  # Keras counts whole numbers there


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize(("name", "options"), METRICS, ids=lambda value: value if isinstance(value, str) else "")
def test_metric_over_batches(keras64, name, options, weighted, yardstick):
    rng = np.random.default_rng(3)
    batches = []
    for n in (6, 6, 2):
        p = rng.dirichlet(np.ones(K), n)
        y = rng.integers(0, K, n)
        numbered = "Sparse" in name or name in SPARSE
        y = rng.integers(0, 2, (n, K)) if "Binary" in name else y if numbered else np.eye(K)[y]
        p = p if name not in ("R2Score", "LogCoshError") else rng.standard_normal((n, K))
        batches.append((y, p, rng.uniform(0.5, 2, n)))
    weighted &= name not in UNWEIGHTED
    sent = pack("y", [y for y, _, _ in batches]) | pack("p", [p for _, p, _ in batches])
    sent |= pack("w", [w for _, _, w in batches]) if weighted else {}
    header, _ = keras64("metric_values", sent, name=name, options=options)
    metric = getattr(mc.metrics, name)(**options)
    for i, (y, p, w) in enumerate(batches):
        metric.update_state(y, p, w if weighted else None)
        theirs, label = np.array(header["results"][i]), f"{name} {options} after batch {i}"
        yardstick.relative("metrics", label, np.asarray(metric.result()), theirs, 2e-6)
