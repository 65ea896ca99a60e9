"""ONNX Runtime alone, without a server, on one sample of a model.

    bare_onnxruntime.py answer MODEL SAMPLE                    prints the outputs
    bare_onnxruntime.py run    MODEL SAMPLE THREADS SECONDS    runs it again and again, prints runs a second

SAMPLE is a file with {"inputs": [tensor...]}, as in Open Inference Protocol V2 JSON.
"""

import json
import sys
import threading
import time

import numpy
import onnxruntime

NUMPY = {"FP32": "f4", "INT64": "i8", "INT32": "i4"}
WARM_UP_SECONDS = 0.5


def open_session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def read_feed(path):
    with open(path, encoding="utf-8") as file:
        inputs = json.load(file)["inputs"]
    return {
        item["name"]: numpy.array(item["data"], dtype=NUMPY[item["datatype"]]).reshape(item["shape"]) for item in inputs
    }


def answer(session, feed):
    outputs = []
    for output, array in zip(session.get_outputs(), session.run(None, feed), strict=True):
        values = [float(value) for value in array.ravel()]
        outputs.append({"name": output.name, "shape": list(array.shape), "data": values})
    return outputs


def run(session, feed, threads, seconds):
    begin = time.perf_counter() + WARM_UP_SECONDS
    end = begin + seconds
    counts = [0] * threads

    def work(place):
        while (now := time.perf_counter()) < end:
            session.run(None, feed)
            counts[place] += begin <= now

    workers = [threading.Thread(target=work, args=(place,)) for place in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    # The last runs end a little after the end; the time is taken as long as they took it.
    return {"per_second": sum(counts) / (time.perf_counter() - begin)}


def main(what, model, sample, *numbers):
    session, feed = open_session(model), read_feed(sample)
    if what == "answer":
        result = answer(session, feed)
    else:
        threads, seconds = numbers
        result = run(session, feed, int(threads), float(seconds))
    print(json.dumps(result))


main(*sys.argv[1:])
