"""The usual hand-made service: FastAPI, pydantic and ONNX Runtime in one process, one row a request.

It has the handler in both of the forms that people write: a plain `def`, which FastAPI hands to a thread pool and advises
for work that blocks, and an `async def`, which spares that and blocks the other requests for as long as the model runs.
"""

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


def answer(request):
    given = request.inputs[0]
    rows = numpy.array(given.data, dtype=numpy.float32).reshape(given.shape)
    probabilities = session.run(None, {given.name: rows})[0]
    data = probabilities.ravel().tolist()
    output = {"name": "probs", "shape": list(probabilities.shape), "datatype": "FP32", "data": data}
    return {"model_name": "mlp", "outputs": [output]}


@app.post("/pool/v2/models/mlp/infer")
def infer_in_the_pool(request: Request):
    return answer(request)


@app.post("/async/v2/models/mlp/infer")
async def infer_in_the_loop(request: Request):
    return answer(request)
