//! yard-onnx
