"""Builds the test assets: models, their inputs, and what Python ONNX Runtime answers to them.

    make_assets.py --downloaded DIR --out DIR

`cargo xtask setup` runs this. Layout of the result:

    manifest.json                      what there is, with signatures and operators
    models/NAME/model.onnx             sound models
    models/NAME/samples.json           [{"inputs": [tensor...], "outputs": [tensor...]}, ...]
    hostile/NAME/model.onnx            packages that must be refused
    outside/weights.data               what some of the hostile ones try to reach
    language/NAME.gguf                 language models
    encoders/NAME/...                  sentence encoders with their tokenizers, as they are pushed

`rows_join` in the manifest is there where it is known by construction whether the rows of several requests may share
one run.

A tensor is {"name", "datatype", "shape", "data"} as in Open Inference Protocol V2 JSON, flat data in row-major order,
and "labels" on the output of a ZipMap.
"""

import argparse
import json
import pathlib
import platform
import shutil

import onnx
import onnxruntime

from asset_models import digits, encoders, graphs, hostile, real_inputs, sklearn_models, tensors


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--downloaded", type=pathlib.Path, required=True)
    arguments.add_argument("--out", type=pathlib.Path, required=True)
    arguments = arguments.parse_args()

    models = arguments.out / "models"
    entries = []

    def add(name, build, feeds, **facts):
        path = models / name / "model.onnx"
        path.parent.mkdir(parents=True)
        build(path)
        session = tensors.open_session(path)
        labels = sklearn_models.zipmap_labels(path)
        samples = [tensors.make_sample(session, feed, labels) for feed in feeds(path, session)]
        tensors.write_samples(path.parent / "samples.json", samples)
        entries.append(describe(name, path, session, samples, facts))
        print(f"  {name}: {len(samples)} samples", flush=True)

    def plain(feeds):
        return lambda path, session: feeds()

    def copied(file_name):
        return lambda path: shutil.copyfile(arguments.downloaded / file_name, path)

    add("digits", digits.build, plain(digits.feeds), rows_join=True)
    add("mlp-100-128-10", graphs.build_mlp, plain(graphs.mlp_feeds), rows_join=True)
    add("multi-io", graphs.build_multi_io, plain(graphs.multi_io_feeds), rows_join=True)
    add("batch-mean", graphs.build_batch_mean, plain(graphs.batch_mean_feeds), rows_join=False)
    add("dynamic-quantized", graphs.build_dynamic_quantized, plain(graphs.dynamic_quantized_feeds), rows_join=False)
    add("external-data", graphs.build_external_data, plain(graphs.external_data_feeds), rows_join=True)
    add("strings", graphs.build_strings, plain(graphs.strings_feeds), rows_join=True)
    add("cast-bf16", graphs.build_cast_bf16, plain(graphs.cast_bf16_feeds), rows_join=True)
    for name, build, feeds in graphs.identity_models():
        # The generator is bound now: the loop variable will have moved on.
        add(name, build, lambda path, session, feeds=feeds: feeds, rows_join=True)

    add(
        "sklearn-pipeline",
        lambda path: sklearn_models.build_mixed_pipeline(path, zipmap=True),
        plain(sklearn_models.mixed_pipeline_feeds),
    )
    add(
        "sklearn-pipeline-tensor",
        lambda path: sklearn_models.build_mixed_pipeline(path, zipmap=False),
        plain(sklearn_models.mixed_pipeline_feeds),
    )
    add(
        "sklearn-integer-labels",
        sklearn_models.build_integer_labels,
        plain(sklearn_models.integer_labels_feeds),
    )
    add(
        "gbt-classifier",
        sklearn_models.build_boosted_classifier,
        lambda path, session: sklearn_models.boosted_classifier_feeds(path),
    )
    add(
        "gbt-regressor",
        sklearn_models.build_boosted_regressor,
        lambda path, session: sklearn_models.boosted_regressor_feeds(path),
    )

    add("ppocr-det", copied("ppocr-det.onnx"), plain(real_inputs.ocr_detector_feeds))
    add("ppocr-rec", copied("ppocr-rec.onnx"), plain(real_inputs.ocr_recogniser_feeds))
    add("ppocr-cls", copied("ppocr-cls.onnx"), plain(real_inputs.ocr_classifier_feeds))
    add("minilm-int8", copied("minilm-int8.onnx"), plain(real_inputs.sentence_encoder_feeds))
    add(
        "silero-vad",
        copied("silero-vad.onnx"),
        lambda path, session: real_inputs.voice_feeds(lambda feeds: tensors.run(session, feeds)),
        rows_join=False,
    )

    language = arguments.out / "language"
    language.mkdir()
    for file in sorted(arguments.downloaded.glob("*.gguf")):
        shutil.move(file, language / file.name)

    encoders.build_all(arguments.out / "encoders", arguments.downloaded)

    reasons = hostile.build_all(arguments.out, models / "mlp-100-128-10" / "model.onnx")
    manifest = {
        "format": 1,
        "made_with": {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "onnx": onnx.__version__,
            "onnxruntime": onnxruntime.__version__,
        },
        "models": entries,
        "hostile": [{"name": name, "reason": reason} for name, reason in reasons.items()],
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
    (arguments.out / "manifest.json").write_text(text, encoding="utf-8")


def describe(name, path, session, samples, facts):
    model = onnx.load(path, load_external_data=False)
    return {
        "name": name,
        "inputs": [signature(value) for value in session.get_inputs()],
        "outputs": [signature(value) for value in session.get_outputs()],
        "operators": sorted(set(operators(model.graph))),
        "opsets": {opset.domain or "ai.onnx": opset.version for opset in model.opset_import},
        "samples": len(samples),
        **facts,
    }


def operators(graph):
    """Those of the graphs inside If and Loop too."""
    for node in graph.node:
        yield f"{node.domain or 'ai.onnx'}:{node.op_type}"
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from operators(attribute.g)


def signature(value):
    """Sizes as ONNX Runtime tells them: a number, a name, or null where the model gives neither."""
    datatype = tensors.DATATYPES[value.type][0] if value.type in tensors.DATATYPES else value.type
    return {"name": value.name, "datatype": datatype, "shape": value.shape}


if __name__ == "__main__":
    main()
