"""The usual hand-made service: FastAPI, pydantic and ONNX Runtime in one process, one row a request."""

import os

import numpy
import onnxruntime
from fastapi import FastAPI
from pydantic import BaseModel

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["PEER_MODEL"], options, providers=["CPUExecutionProvider"])
app = FastAPI()


class Tensor(BaseModel):
    name: str
    shape: list[int]
    datatype: str
    data: list[float]


class Request(BaseModel):
    inputs: list[Tensor]


@app.post("/v2/models/mlp/infer")
def infer(request: Request):
    given = request.inputs[0]
    rows = numpy.array(given.data, dtype=numpy.float32).reshape(given.shape)
    answer = session.run(None, {given.name: rows})[0]
    output = {"name": "probs", "shape": list(answer.shape), "datatype": "FP32", "data": answer.ravel().tolist()}
    return {"model_name": "mlp", "outputs": [output]}
