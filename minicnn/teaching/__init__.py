"""To see inside: every number of forward and backward of a model, where it comes from, and whether it is right."""

from .gradcheck import gradcheck

__all__ = ["gradcheck"]  # a Trace and its Cells come from model.trace
