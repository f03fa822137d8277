"""Models: fit, evaluate, predict, blocks, saving, errors before anything changes."""
