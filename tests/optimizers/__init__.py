"""Optimizers: steps, clipping, state, schedules."""
