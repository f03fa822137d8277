"""To see inside: every number of forward and backward of a model, where it comes from, and whether it is right."""

from .gradcheck import gradcheck
from .statistics import Statistics, layer_statistics

__all__ = ["Statistics", "gradcheck", "layer_statistics"]  # a Trace and its Cells come from model.trace
