"""Layers under Keras's names: shapes, weights, configs, values."""
