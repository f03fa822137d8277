"""Among others' tools: scikit-learn, ONNX, TensorBoard, PyTorch, JAX, trackers."""
