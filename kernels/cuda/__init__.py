"""The GPU's seat in the contract: its kernels are not written yet, and minicnn/backend/cuda.py says so."""
