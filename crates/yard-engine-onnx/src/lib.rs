//! yard-engine-onnx
