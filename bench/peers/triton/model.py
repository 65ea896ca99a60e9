"""ONNX Runtime behind Triton's Python backend; the requests of a dynamic batch are joined into one run."""

import os
import pathlib
import sys

# The backend's interpreter is an isolated one that looks at no environment variable: the file beside this one says where
# the packages lie.
sys.path.insert(0, pathlib.Path(__file__).with_name("packages.txt").read_text(encoding="utf-8").strip())

import numpy  # noqa: E402
import onnxruntime  # noqa: E402
import triton_python_backend_utils as backend  # noqa: E402


class TritonPythonModel:
    def initialize(self, args):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        path = os.path.join(args["model_repository"], args["model_version"], "model.onnx")
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def execute(self, requests):
        inputs = [backend.get_input_tensor_by_name(request, "input").as_numpy() for request in requests]
        outputs = self.session.run(None, {"input": numpy.concatenate(inputs)})[0]
        responses, start = [], 0
        for one in inputs:
            rows = outputs[start : start + len(one)]
            start += len(one)
            responses.append(backend.InferenceResponse([backend.Tensor("probs", rows)]))
        return responses
