"""What kernels run on: loops over all threads, buffers that are used again, kernels compiled before they are needed."""
