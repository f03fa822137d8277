"""A device is a value: arrays, kernels, random streams. No global chooses one."""
