"""ONNX Runtime alone: the first sample of a model, run again and again by a number of threads. Prints runs a second."""

import json
import sys
import threading
import time

import numpy
import onnxruntime

NUMPY = {"FP32": "f4", "INT64": "i8", "INT32": "i4"}


def main(folder, threads, seconds):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(f"{folder}/model.onnx", options, providers=["CPUExecutionProvider"])
    with open(f"{folder}/samples.json", encoding="utf-8") as file:
        sample = json.load(file)[0]
    feed = {
        item["name"]: numpy.array(item["data"], dtype=NUMPY[item["datatype"]]).reshape(item["shape"])
        for item in sample["inputs"]
    }
    session.run(None, feed)
    counts = [0] * threads
    start = time.perf_counter()

    def work(place):
        while time.perf_counter() - start < seconds:
            session.run(None, feed)
            counts[place] += 1

    workers = [threading.Thread(target=work, args=(place,)) for place in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(json.dumps({"per_second": sum(counts) / (time.perf_counter() - start)}))


main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
