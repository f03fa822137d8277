"""Differentiable functions: values, and every gradient against differences."""
