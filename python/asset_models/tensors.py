"""Tensors as Open Inference Protocol V2 JSON, and the reference run that makes expected outputs.

Numbers are written so that a reader gets the exact value back whether it parses into the tensor's own type or into
a 64-bit float first. JSON has no NaN or infinity: these are the strings "NaN", "Infinity" and "-Infinity".
"""

import ctypes
import json
import math

import ml_dtypes
import numpy
import onnx
import onnxruntime

# ONNX Runtime's type name -> V2 datatype, numpy type, ONNX element type.
DATATYPES = {
    "tensor(bool)": ("BOOL", numpy.bool_, onnx.TensorProto.BOOL),
    "tensor(uint8)": ("UINT8", numpy.uint8, onnx.TensorProto.UINT8),
    "tensor(uint16)": ("UINT16", numpy.uint16, onnx.TensorProto.UINT16),
    "tensor(uint32)": ("UINT32", numpy.uint32, onnx.TensorProto.UINT32),
    "tensor(uint64)": ("UINT64", numpy.uint64, onnx.TensorProto.UINT64),
    "tensor(int8)": ("INT8", numpy.int8, onnx.TensorProto.INT8),
    "tensor(int16)": ("INT16", numpy.int16, onnx.TensorProto.INT16),
    "tensor(int32)": ("INT32", numpy.int32, onnx.TensorProto.INT32),
    "tensor(int64)": ("INT64", numpy.int64, onnx.TensorProto.INT64),
    "tensor(float16)": ("FP16", numpy.float16, onnx.TensorProto.FLOAT16),
    "tensor(bfloat16)": ("BF16", ml_dtypes.bfloat16, onnx.TensorProto.BFLOAT16),
    "tensor(float)": ("FP32", numpy.float32, onnx.TensorProto.FLOAT),
    "tensor(double)": ("FP64", numpy.float64, onnx.TensorProto.DOUBLE),
    "tensor(string)": ("BYTES", numpy.object_, onnx.TensorProto.STRING),
}


def open_session(path):
    """One thread everywhere: the order of additions, and so the last bits, must not depend on the machine's load."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run(session, feeds):
    """Runs one set of inputs and returns (name, value) for each output, in the model's order."""
    types = [value.type for value in session.get_inputs() + session.get_outputs()]
    if "tensor(bfloat16)" in types:
        return _run_with_bfloat16(session, feeds)
    names = [output.name for output in session.get_outputs()]
    return list(zip(names, session.run(names, feeds), strict=True))


def _run_with_bfloat16(session, feeds):
    """The plain run refuses bfloat16 arrays, so their bits are handed over and read back as they are."""
    values = {}
    for name, array in feeds.items():
        if array.dtype == ml_dtypes.bfloat16:
            values[name] = onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(
                array.view(numpy.uint16), onnx.TensorProto.BFLOAT16
            )
        else:
            values[name] = onnxruntime.OrtValue.ortvalue_from_numpy(array)
    names = [output.name for output in session.get_outputs()]
    outputs = []
    for name, value in zip(names, session.run_with_ort_values(names, values), strict=True):
        if value.data_type() == "tensor(bfloat16)":
            outputs.append((name, _copy_bfloat16(value)))
        else:
            outputs.append((name, value.numpy()))
    return outputs


def _copy_bfloat16(value):
    count = math.prod(value.shape())
    bits = numpy.array((ctypes.c_uint16 * count).from_address(value.data_ptr()), dtype=numpy.uint16)
    return bits.view(ml_dtypes.bfloat16).reshape(value.shape())


def make_sample(session, feeds, zipmap_labels=None):
    """One entry of samples.json: the inputs and what ONNX Runtime answers to them."""
    inputs = [encode(value.name, value.type, feeds[value.name]) for value in session.get_inputs()]
    outputs = []
    for declared, (name, value) in zip(session.get_outputs(), run(session, feeds), strict=True):
        if declared.type.startswith("seq(map("):
            outputs.append(_encode_zipmap(name, value, zipmap_labels))
        else:
            outputs.append(encode(name, declared.type, value))
    return {"inputs": inputs, "outputs": outputs}


def _encode_zipmap(name, rows, labels):
    """A ZipMap answers a list of {label: score}; it is compared as a matrix whose columns are the labels."""
    scores = numpy.array([[row[label] for label in labels] for row in rows], dtype=numpy.float32)
    encoded = encode(name, "tensor(float)", scores)
    encoded["labels"] = [str(label) for label in labels]
    return encoded


def encode(name, type_name, array):
    datatype, numpy_type, _ = DATATYPES[type_name]
    array = numpy.asarray(array)
    if datatype != "BYTES" and array.dtype != numpy_type:
        raise TypeError(f"{name}: {array.dtype} given for {datatype}")
    return {
        "name": name,
        "datatype": datatype,
        "shape": [int(size) for size in array.shape],
        "data": _Data(_texts(datatype, array)),
    }


def _texts(datatype, array):
    flat = array.reshape(-1)
    if datatype == "BYTES":
        return [json.dumps(str(value), ensure_ascii=False) for value in flat.tolist()]
    if datatype == "BOOL":
        return ["true" if value else "false" for value in flat.tolist()]
    if datatype == "FP32":
        return [_single_precision_text(value) for value in flat]
    if datatype in ("FP16", "BF16", "FP64"):
        return [_number_text(float(value)) for value in flat]
    return [str(value) for value in flat.tolist()]


def _single_precision_text(value):
    """The shortest text of the f32, unless reading it by way of an f64 would round differently."""
    if not numpy.isfinite(value):
        return _number_text(float(value))
    short = str(value)
    return short if numpy.float32(float(short)) == value else repr(float(value))


def _number_text(value):
    if math.isnan(value):
        return '"NaN"'
    if math.isinf(value):
        return '"Infinity"' if value > 0 else '"-Infinity"'
    return repr(value)


class _Data:
    """Numbers already in their final text, which the ordinary JSON writer would change."""

    def __init__(self, texts):
        self.texts = texts


def write_samples(path, samples):
    """Writes the list with one tensor a line, so that a person can look into it."""
    with open(path, "w", encoding="utf-8") as file:
        file.write("[\n")
        for index, sample in enumerate(samples):
            file.write(' {"inputs": [\n')
            file.write(",\n".join("   " + _tensor_text(tensor) for tensor in sample["inputs"]))
            file.write('\n  ], "outputs": [\n')
            file.write(",\n".join("   " + _tensor_text(tensor) for tensor in sample["outputs"]))
            file.write("\n  ]}")
            file.write(",\n" if index + 1 < len(samples) else "\n")
        file.write("]\n")
    with open(path, encoding="utf-8") as file:
        json.load(file, parse_constant=_refuse_constant)


def _tensor_text(tensor):
    fields = {key: value for key, value in tensor.items() if key != "data"}
    head = json.dumps(fields, ensure_ascii=False)
    return head[:-1] + ', "data": [' + ", ".join(tensor["data"].texts) + "]}"


def _refuse_constant(text):
    raise ValueError(f"{text} is not JSON")
