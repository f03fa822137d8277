"""Files: weights, models, Keras's, history, submission. Every write is atomic, every read checks before it believes."""

from . import files, history, onnx, submission, weights
from .files import atomic_write, check_folder
from .weights import load_weights, save_weights

__all__ = ["atomic_write", "check_folder", "files", "history", "load_weights", "onnx", "save_weights",
           "submission", "weights"]  # fmt: skip
