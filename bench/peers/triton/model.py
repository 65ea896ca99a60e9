"""ONNX Runtime behind Triton's Python backend; the requests of a dynamic batch are joined into one run."""

import json
import os
import sys


class TritonPythonModel:
    def initialize(self, args):
        # The backend's interpreter does not look at PYTHONPATH.
        sys.path.insert(0, json.loads(args["model_config"])["parameters"]["packages"]["string_value"])
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        path = os.path.join(args["model_repository"], args["model_version"], "model.onnx")
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def execute(self, requests):
        import numpy
        import triton_python_backend_utils as backend

        inputs = [backend.get_input_tensor_by_name(request, "input").as_numpy() for request in requests]
        outputs = self.session.run(None, {"input": numpy.concatenate(inputs)})[0]
        responses, start = [], 0
        for one in inputs:
            rows = outputs[start : start + len(one)]
            start += len(one)
            responses.append(backend.InferenceResponse([backend.Tensor("probs", rows)]))
        return responses
