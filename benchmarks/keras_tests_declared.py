"""What of Keras's tests is out of scope, and why: (pattern of "file:Class.case", the reason).

A reason is a part of a line of docs/keras-differences.md, or one of ABSENT: what minicnn has not at all.
"""

_FLOAT8 = "minicnn has no float8 weights, which take their gradient's value"
_STATELESS = "minicnn has no stateless metrics: they keep their state"
ABSENT = (_FLOAT8, _STATELESS)

_LOSS_TYPE = "dtype may only say float32"
_METRIC_TYPE = "or in the type that dtype says: here it may only be float32"
_FUNCTION = "a name gives a Loss, there the function"
_LOST = "get_config holds axis of CosineSimilarity and delta of Huber"
_WEIGHTS = "weights count as they are; there they are cut to whole numbers"
_WHOLE = "beta and threshold may be whole numbers"
_DTYPED = {
    "correlation": ("Correlations",), "hinge": ("CategoricalHinge", "Hinge", "SquaredHinge"),
    "accuracy": ("Accuracy", "BinaryAccuracy", "CategoricalAccuracy", "SparseCategoricalAccuracy",
                 "SparseTopKCategoricalAccuracy", "TopKCategoricalAccuracy"),
    "probabilistic": ("BinaryCrossentropy", "CategoricalCrossentropy", "KLDivergence", "SparseCategoricalCrossentropy"),
    "regression": ("CosineSimilarity", "LogCoshError", "MeanAbsoluteError", "MeanAbsolutePercentageError",
                   "MeanSquaredLogarithmicError", "RootMeanSquaredError"),
    "confusion": ("AUC",),
}  # fmt: skip
DECLARED = (
    ("losses/losses_test:*.test_dtype_arg", _LOSS_TYPE),
    ("losses/loss_test:LossTest.test_d*t*type*", _LOSS_TYPE),
    ("losses/loss_test:LossTest.test_reduction", _LOSS_TYPE),
    ("losses/loss_test:LossTest.test_sample_weight", _LOSS_TYPE),
    ("losses/loss_test:LossTest.test_get_method", _FUNCTION),
    ("losses/loss_test:LossTest.test_pickle", _FUNCTION),
    ("losses/losses_test:CosineSimilarityTest.test_config", _LOST),
    ("losses/losses_test:HuberLossTest.test_config", _LOST),
    *((f"metrics/{file}_metrics_test:{name}Test.test_*config", _METRIC_TYPE) for file, names in _DTYPED.items()
      for name in names),
    ("metrics/metric_test:MetricTest.test_d*t*type*", _METRIC_TYPE),
    ("metrics/metric_test:MetricTest.test_stateless_*", _STATELESS),
    ("metrics/accuracy_metrics_test:SparseCategoricalAccuracyTest.test_reshape_matches",
     "labels of another shape than the outputs' without their last axis are refused"),
    ("metrics/f_score_metrics_test:FBetaScoreTest.test_beta_integer_type_raises_value_error", _WHOLE),
    ("metrics/f_score_metrics_test:FBetaScoreTest.test_threshold_not_float_raises_value_error", _WHOLE),
    ("metrics/iou_metrics_test:MeanIoUTest.test_big_chunk", _WEIGHTS),
    ("metrics/iou_metrics_test:MeanIoUTest.test_user_warning_float_weight", _WEIGHTS),
    ("optimizers/optimizer_test:OptimizerTest.test_overwrite_with_gradient*", _FLOAT8),
    ("optimizers/optimizer_test:OptimizerTest.test_gradient_accumulation", "Keras's `iterations` counts updates"),
    ("optimizers/optimizer_test:OptimizerTest.test_optimizer_auto_naming", "the name of a second Adam is adam too"),
)  # fmt: skip
