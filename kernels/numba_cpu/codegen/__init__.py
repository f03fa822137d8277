"""What writes machine code: Numba's entries and its cache on disk, LLVM by hand, micro-kernels, vectors as values.

      jit, parts                             how a function is compiled and kept
      llvm_ir, linked                        helpers for LLVM code; functions of it that are linked once
      microkernel, microkernel_gemm          tiles of products in registers, with tables of addresses and without
      winograd_transforms, vector            Winograd's matrices as vector code; vectors in njit code

Nothing here computes a kernel of the contract, and nothing here imports what is outside this folder.
"""
