"""Sentence encoders as directories that can be pushed: the model, its tokenizer and the files of sentence-transformers."""

import shutil
import zipfile

import onnx

# Both models have BERT's uncased vocabulary, and with it this tokenizer.
FILES = (
    "1_Pooling/config.json",
    "modules.json",
    "sentence_bert_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
)
# What paraphrase-MiniLM-L3-v2 calls the rows of its tokens.
ROWS_OF_TOKENS = "onnx::Shape_422"


def build_all(folder, downloaded):
    archive = downloaded / "all-minilm-l6-v2.zip"
    small = folder / "minilm-l3"
    _files(archive, small)
    _give_usual_names(downloaded / "minilm-l3.onnx", small / "model.onnx")
    quantized = folder / "minilm-l6-int8"
    _files(archive, quantized)
    shutil.copyfile(downloaded / "minilm-int8.onnx", quantized / "model.onnx")


def _files(archive, folder):
    with zipfile.ZipFile(archive) as archive:
        for name in FILES:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.read(name))


def _give_usual_names(source, target):
    """The export gives its inputs back and pools by itself; kept are the rows of tokens, under the name that others use."""
    model = onnx.load(source)
    graph = model.graph
    (rows,) = [output for output in graph.output if output.name == ROWS_OF_TOKENS]
    for node in graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name == ROWS_OF_TOKENS:
                    names[place] = "last_hidden_state"
    rows.name = "last_hidden_state"
    rows.type.tensor_type.shape.dim[0].dim_param = "batch_size"
    rows.type.tensor_type.shape.dim[1].dim_param = "sequence_length"
    kept = onnx.ValueInfoProto()
    kept.CopyFrom(rows)
    del graph.output[:]
    graph.output.append(kept)
    _drop_unused(graph)
    onnx.checker.check_model(model)
    onnx.save(model, target)


def _drop_unused(graph):
    """Without the nodes that lead to no output: here those that pool."""
    needed = {output.name for output in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed & set(node.output):
            needed.update(node.input)
            kept.append(node)
    del graph.node[:]
    graph.node.extend(reversed(kept))
