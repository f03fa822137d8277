"""What of Keras's tests is out of scope, and why: (pattern of "file:Class.case", the reason).

A reason is a part of a line of docs/keras-differences.md, or one of ABSENT: what minicnn has not at all.
"""

_FLOAT8 = "minicnn has no float8 weights, which take their gradient's value"
_STATELESS = "minicnn has no stateless metrics: they keep their state"
_OP = "minicnn has no monitor_op: a monitor has a direction, and is_improvement"
_STEPS = "minicnn has no models with a call or steps of their own: Model and Sequential, or a loop of one's own"
_SINGLE = "minicnn has no models of a single image, whose rows would be a batch: a layer by itself takes one"
_AT_ONCE = "minicnn has no augmentation in parts: a layer's constructor reads factors, a call draws and applies them"
_QUANTIZED = "minicnn has no quantization and no low-rank adaptation (LoRA)"
_MASKS = "minicnn has no masks"
_HALF = "minicnn has no float16: a device computes in float32 or float64"
_TOGETHER = "minicnn has no losses of several outputs together, nor several of one"
_SENTENCE = "minicnn has no error in Keras's words: its type is Keras's"
ABSENT = (_FLOAT8, _STATELESS, _OP, _STEPS, _SINGLE, _AT_ONCE, _QUANTIZED, _MASKS, _HALF, _SENTENCE, _TOGETHER)

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
_IMAGES = "layers/preprocessing/image_preprocessing"
_CONFIG = "get_config writes tuples as lists"
_FIRST_BATCH = "without an Input it is built for samples of the first batch's shape"
_LAMBDA = "a saved model holds the function's name; load_model finds it in custom_objects"
DECLARED = (
    *((f"layers/core/dense_test:DenseTest.{case}", _QUANTIZED) for case in (
        "test_awq_kernel_packing", "test_gptq_kernel_packing", "test_legacy_load_own_variables",
        "test_quantize_by_setting_dtype_policy_*", "test_quantize_dtype_argument_*",
        "test_quantize_invalid_mode_*")),
    ("layers/core/dense_test:DenseTest.test_dense_errors",
     "called on symbols a layer has no weights before it is in a model"),
    ("layers/core/input_layer_test:InputLayerTest.test_input_shape_deprecated",
     "input_shape is taken without a warning"),
    ("layers/core/lambda_layer_test:LambdaTest.test_correctness*", _LAMBDA),
    ("layers/activations/softmax_test:SoftmaxTest.test_softmax_correctness_with_mask", _MASKS),
    ("layers/normalization/group_normalization_test:*.test_mixed_precision_large_input_no_nan", _HALF),
    ("layers/regularization/dropout_test:DropoutTest.test_dropout_rescaling",
     "the same distributions from other random streams"),
    ("layers/reshaping/flatten_test:*.test_flatten_with_dynamic_batch_size_and_dynamic_dimenstions", _FIRST_BATCH),
    ("layers/reshaping/reshape_test:*.test_reshape_model_fit_with_varying_input_size_and_minus_one", _FIRST_BATCH),
    ("layers/reshaping/zero_padding*_test:*.test_zero_padding_*_get_config*", _CONFIG),
    ("regularizers/regularizers_test:RegularizersTest.test_orthogonal_regularizer_*_validation", _SENTENCE),
    ("layers/convolutional/conv_test:ConvBasicTest.test_*lora*", _QUANTIZED),
    ("layers/pooling/global_average_pooling_test:GlobalAveragePoolingCorrectnessTest.test_global_average_pooling1d[0-3]",
     "masks are not there"),
    ("layers/pooling/adaptive_pooling[12]d_test:*_get_config", _CONFIG),
    (f"{_IMAGES}/center_crop_test:CenterCropTest.test_dynamic_spatial_dims", "it keeps to the size of its first batch"),
    (f"{_IMAGES}/random_brightness_test:RandomBrightnessTest.test_set_factor_*", _AT_ONCE),
    (f"{_IMAGES}/random_contrast_test:RandomContrastTest.test_random_contrast_with_value_range_*", _AT_ONCE),
    (f"{_IMAGES}/random_erasing_test:RandomErasingTest.test_random_erasing_basic", _AT_ONCE),
    (f"{_IMAGES}/cut_mix_test:CutMixTest.test_cut_mix_basic", _AT_ONCE),
    (f"{_IMAGES}/mix_up_test:MixUpTest.test_mix_up_basic_functionality*", _AT_ONCE),
    (f"{_IMAGES}/random_gaussian_blur_test:RandomGaussianBlurTest.test_random_erasing_basic", _AT_ONCE),
    (f"{_IMAGES}/random_perspective_test:RandomPerspectiveTest.test_random_perspective_basic", _AT_ONCE),
    (f"{_IMAGES}/rand_augment_test:RandAugmentTest.test_graph_issue", _AT_ONCE),
    (f"{_IMAGES}/random_crop_test:RandomCropTest.test_random_crop", _SINGLE),
    (f"{_IMAGES}/random_flip_test:RandomFlipTest.test_random_flip_random_flip_*", _SINGLE),
    (f"{_IMAGES}/random_flip_test:RandomFlipTest.test_random_flip_horizontal", _SINGLE),
    (f"{_IMAGES}/random_flip_test:RandomFlipTest.test_random_flip_vertical", _SINGLE),
    (f"{_IMAGES}/random_rotation_test:RandomRotationTest.test_random_rotation_shapes_*", _SINGLE),
    (f"{_IMAGES}/random_translation_test:RandomTranslationTest.test_random_translation_random_translate_*", _SINGLE),
    (f"{_IMAGES}/random_zoom_test:RandomZoomTest.test_random_zoom_random_zoom_*", _SINGLE),
    ("losses/losses_test:*.test_dtype_arg", _LOSS_TYPE),
    ("losses/loss_test:LossTest.test_d*type*", _LOSS_TYPE),
    ("losses/loss_test:LossTest.test_reduction", _LOSS_TYPE),
    ("losses/loss_test:LossTest.test_sample_weight", _LOSS_TYPE),
    ("losses/loss_test:LossTest.test_get_method", _FUNCTION),
    ("losses/loss_test:LossTest.test_pickle", _FUNCTION),
    ("losses/losses_test:CosineSimilarityTest.test_config", _LOST),
    ("losses/losses_test:HuberLossTest.test_config", _LOST),
    *((f"metrics/{file}_metrics_test:{name}Test.test_*config", _METRIC_TYPE) for file, names in _DTYPED.items()
      for name in names),
    ("metrics/metric_test:MetricTest.test_d*type*", _METRIC_TYPE),
    ("metrics/metric_test:MetricTest.test_stateless_*", _STATELESS),
    ("metrics/accuracy_metrics_test:SparseCategoricalAccuracyTest.test_reshape_matches",
     "labels of another shape than the outputs' without their last axis are refused"),
    ("metrics/f_score_metrics_test:FBetaScoreTest.test_beta_integer_type_raises_value_error", _WHOLE),
    ("metrics/f_score_metrics_test:FBetaScoreTest.test_threshold_not_float_raises_value_error", _WHOLE),
    ("metrics/iou_metrics_test:MeanIoUTest.test_big_chunk", _WEIGHTS),
    ("metrics/iou_metrics_test:MeanIoUTest.test_user_warning_float_weight", _WEIGHTS),
    ("callbacks/callback_test:CallbackTest.test_model_state_is_current_on_epoch_end", _STEPS),
    ("models/cloning_test:CloneModelTest.test_cloning_correctness_subclassed", _STEPS),
    *((f"models/model_test:ModelTest.{case}", "a name that no output has is refused here") for case in (
        "test_functional_*_dict_*_invalid_keys", "test_functional_list_outputs_dict_losses_no_output_names")),
    *((f"models/model_test:ModelTest.{case}", _STEPS) for case in (
        "test_functional_list_outputs_with_custom_compute_loss", "test_layers_setter")),
    ("models/model_test:ModelTest.test_functional_deeply_nested_outputs_struct_losses", _TOGETHER),
    *((f"models/functional_test:FunctionalTest.{case}", _HALF) for case in (
        "test_dtype_standardization", "test_functional_with_dtype_policy")),
    *((f"models/functional_test:FunctionalTest.{case}", "what Keras warns of by the module warnings is one line")
      for case in ("test_input_dict_with_extra_field", "test_warning_for_mismatched_inputs_structure")),
    ("models/functional_test:FunctionalTest.test_required_input_none_raises",
     "its call takes inputs and training, and no further argument"),
    ("models/sequential_test:SequentialTest.test_bad_layer", "`call` may need `training`"),
    ("models/sequential_test:SequentialTest.test_dict_inputs", "a layer has one output"),
    ("models/sequential_test:SequentialTest.test_list_inputs", "a layer has one output"),
    ("models/sequential_test:SequentialTest.test_serialization_with_lambda_layer", _LAMBDA),
    ("utils/image_dataset_utils_test:ImageDatasetFromDirectoryTest.test_image_dataset_from_directory_shuffle_grain",
     "the order of every pass is drawn over all files"),
    ("models/cloning_test:CloneModelTest.test_call_fn", "call_function is not there"),
    ("models/cloning_test:CloneModelTest.test_recursive", "call_function is not there"),
    ("callbacks/csv_logger_test:CSVLoggerTest.test_stop_training_csv",
     "a batch whose loss is not finite changes no weight"),
    ("callbacks/reduce_lr_on_plateau_test:ReduceLROnPlateauTest.test_reduces_lr_with_model_fit",
     "the learning rate is a Python float, not rounded to float32"),
    ("callbacks/tensorboard_test:TestTensorBoardV2.test_TensorBoard_non_blocking",
     "what set_params gets is a dict, params, there further keywords"),
    *((f"callbacks/backup_and_restore_test:BackupAndRestoreCallbackTest.{case}",
       "another network, data or arguments are refused") for case in ("test_backup_corrupted", "test_best_case_*")),
    ("callbacks/backup_and_restore_test:BackupAndRestoreCallbackTest.test_model_deleted_case_epoch",
     "the directory stays, without a checkpoint"),
    ("callbacks/early_stopping_test:EarlyStoppingTest.test_early_stopping", _OP),
    ("callbacks/lambda_callback_test:LambdaCallbackTest.test_lambda_callback_with_additional_kwargs",
     "a misspelt hook is an error, there it is never called"),
    *((f"callbacks/remote_monitor_test:TerminateOnNaNTest.{case}", "sent by urllib, not by the package requests")
      for case in ("test_RemoteMonitor", "test_RemoteMonitorWithJsonPayload", "test_RemoteMonitor_np_array",
                   "test_RemoteMonitor_np_float32")),
    *((f"callbacks/terminate_on_nan_test:TerminateOnNaNTest.{case}", "Targets that are not finite are refused")
      for case in ("test_raise_error_terminate_*", "test_terminate_on_nan_graceful_stop",
                   "test_terminate_on_nan_raise_error_raises_error")),
    ("optimizers/adamw_test:AdamWTest.test_weight_decay_is_none", "weight_decay=None decays nothing"),
    ("optimizers/lion_test:LionTest.test_invalid_beta_1", "beta_1 may be 0, but not 1"),
    ("optimizers/optimizer_test:OptimizerTest.test_overwrite_with_gradient*", _FLOAT8),
    ("optimizers/optimizer_test:OptimizerTest.test_gradient_accumulation", "Keras's `iterations` counts updates"),
    ("optimizers/optimizer_test:OptimizerTest.test_optimizer_auto_naming", "the name of a second Adam is adam too"),
)  # fmt: skip
