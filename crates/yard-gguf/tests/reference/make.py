"""Writes oracle.gguf: what the `gguf` package (and ggml itself) make of the same numbers.

Run with `pip install gguf==0.19.0 numpy`:

    python crates/yard-gguf/tests/reference/make.py [libggml-base.so]

With ggml's library the file also holds ggml's own quantization to the K types, which the package cannot do; without
it those tensors are taken over from the present file.

Tensors: `noise.T` are random blocks of type T and `noise.T.values` what the package dequantizes them to; `source` are
values of many kinds and `source.T` what the package quantizes them to; `weights` are values like those of a model and
`weights.T` what ggml quantizes them to. Metadata: one entry and one array of each type, empty and nested arrays.
"""

import ctypes
import pathlib
import sys

import gguf
import numpy
from gguf import GGMLQuantizationType as Kind
from gguf import GGUFValueType as Type

HERE = pathlib.Path(__file__).parent
OUTPUT = HERE / "oracle.gguf"
random = numpy.random.default_rng(20_261_122)

# Where the scales of a block are, in f16: random bytes there would be infinities and NaN too often.
SCALES = {
    Kind.Q4_0: [0],
    Kind.Q4_1: [0, 2],
    Kind.Q5_0: [0],
    Kind.Q5_1: [0, 2],
    Kind.Q8_0: [0],
    Kind.Q4_K: [0, 2],
    Kind.Q5_K: [0, 2],
    Kind.Q6_K: [208],
}
QUANTIZED_BY_PACKAGE = [Kind.F16, Kind.BF16, Kind.Q4_0, Kind.Q4_1, Kind.Q5_0, Kind.Q5_1, Kind.Q8_0]
QUANTIZED_BY_GGML = {Kind.Q4_K: "quantize_row_q4_K_ref", Kind.Q5_K: "quantize_row_q5_K_ref", Kind.Q6_K: "quantize_row_q6_K_ref"}


def scales(count):
    """Finite f16 of all magnitudes and both signs, as bytes: normal and subnormal numbers, and zero."""
    bits = random.integers(0, 0x7C00, count) | (random.integers(0, 2, count) << 15)
    bits[:2] = [0x0000, 0x0001]
    return bits.astype("<u2").view(numpy.uint8).reshape(count, 2)


def noise(kind):
    """Rows of random blocks: every bit of a block takes part in some value."""
    block, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = max(256, 2 * block) // block
    data = random.integers(0, 256, (blocks, size), dtype=numpy.uint8)
    for start in SCALES[kind]:
        data[:, start : start + 2] = scales(blocks)
    return data.reshape(2, -1)


def plain_noise(kind):
    """Every kind of finite number, the subnormal ones among them."""
    if kind == Kind.F16:
        return scales(512).reshape(2, -1)
    exponents = random.integers(-140, 127, 512)
    values = (random.uniform(1, 2, 512) * numpy.exp2(exponents.astype(numpy.float64))).astype("<f4")
    return values.view("<u2")[1::2].copy().view(numpy.uint8).reshape(2, -1)


def source():
    """Blocks of 32 that a quantizer may get wrong."""
    grid = numpy.arange(32, dtype=numpy.float32)
    blocks = [
        numpy.zeros(32),
        numpy.full(32, 0.75),
        numpy.full(32, -3.0),
        -numpy.zeros(32),
        grid - 16,  # ties between the scale's candidates, halves exactly between two numbers
        16 - grid,
        grid / 31,
        -grid / 31,
        numpy.where(grid % 2 == 0, 1.0, -1.0),
        numpy.where(grid == 7, 1000.0, grid / 100),  # an outlier
        numpy.where(grid == 7, -1000.0, grid / 100),
        random.normal(size=32) * 1e-7,  # scales that are subnormal in f16
        random.normal(size=32) * 1e-10,  # scales that are zero in f16
        random.normal(size=32) * 1e4,
        random.uniform(3, 4, 32),  # far from zero
        random.uniform(-4, -3, 32),
    ]
    blocks += [random.normal(size=32) * scale for scale in numpy.geomspace(1e-4, 1e3, 16)]
    return numpy.array(blocks, dtype=numpy.float32).reshape(2, -1)


def weights():
    """Rows like a model's: normal, with heavy tails, and with channels of different size."""
    columns = 512
    rows = [
        random.normal(size=columns) * 0.02,
        random.standard_t(4, size=columns) * 0.02,
        random.laplace(size=columns) * 0.05,
        random.normal(size=columns) * numpy.repeat(random.lognormal(sigma=1, size=columns // 32), 32) * 0.02,
    ]
    return numpy.array(rows, dtype=numpy.float32)


def by_ggml(library, kind, rows):
    """What ggml's reference quantizer makes of rows."""
    out = numpy.zeros(gguf.quants.quant_shape_to_byte_shape(rows.shape, kind), dtype=numpy.uint8)
    function = getattr(library, QUANTIZED_BY_GGML[kind])
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
    function.restype = None
    function(rows.ctypes.data, out.ctypes.data, rows.size)
    return out


def present_tensors():
    return {tensor.name: numpy.array(tensor.data) for tensor in gguf.GGUFReader(OUTPUT).tensors}


def add_metadata(writer):
    scalars = [
        (Type.UINT8, 255),
        (Type.INT8, -128),
        (Type.UINT16, 65_535),
        (Type.INT16, -32_768),
        (Type.UINT32, 4_294_967_295),
        (Type.INT32, -2_147_483_648),
        (Type.FLOAT32, 0.1),
        (Type.BOOL, True),
        (Type.STRING, "Grüße, 世界 🌍"),
        (Type.UINT64, 18_446_744_073_709_551_615),
        (Type.INT64, -9_223_372_036_854_775_808),
        (Type.FLOAT64, 0.1),
    ]
    for kind, value in scalars:
        writer.add_key_value(f"scalar.{kind.name.lower()}", value, kind)
        writer.add_key_value(f"array.{kind.name.lower()}", [value] * 3, Type.ARRAY, sub_type=kind)
    writer.add_key_value("text.empty", "", Type.STRING)
    writer.add_key_value("array.words", ["", "a", "", "ĠĠthe", "\u0000", "🌍"], Type.ARRAY)
    writer.add_key_value("nested", [[1, 2, 3], [4]], Type.ARRAY)
    writer.add_key_value("nested.deeper", [[["x"], ["y", "z"]], [["w"]]], Type.ARRAY)


def main():
    library = ctypes.CDLL(sys.argv[1]) if len(sys.argv) > 1 else None
    kept = {} if library else present_tensors()
    writer = gguf.GGUFWriter(OUTPUT, "oracle")
    add_metadata(writer)

    def add(name, data, kind):
        data = numpy.ascontiguousarray(data)
        stored = data if kind in (Kind.F32, Kind.F16) else data.view(numpy.uint8)
        writer.add_tensor(name, stored, raw_dtype=kind)

    for kind in [Kind.F16, Kind.BF16, *SCALES]:
        data = noise(kind) if kind in SCALES else plain_noise(kind)
        add(f"noise.{kind.name}", data.view(numpy.float16) if kind == Kind.F16 else data, kind)
        add(f"noise.{kind.name}.values", gguf.quants.dequantize(data, kind), Kind.F32)
    values = source()
    add("source", values, Kind.F32)
    for kind in QUANTIZED_BY_PACKAGE:
        add(f"source.{kind.name}", gguf.quants.quantize(values, kind), kind)
    rows = weights()
    add("weights", rows, Kind.F32)
    for kind in QUANTIZED_BY_GGML:
        name = f"weights.{kind.name}"
        add(name, by_ggml(library, kind, rows) if library else kept[name], kind)

    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    print(f"{OUTPUT}: {OUTPUT.stat().st_size} bytes")


main()
