"""The .cu files, compiled and run on the CPU: launches, precisions, recorded training."""
