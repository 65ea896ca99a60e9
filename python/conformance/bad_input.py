"""What is wrong with data, specifications and machines is said so that whoever reads it can act on it.

Every case is a run of the real command line, or a job on a real server: the file that is wrong, the refusal and its exit
status, and that nothing was registered. Where a mistake is none (a constant column beside others, a category that
training has not seen), the run succeeds and says so.
"""

import contextlib
import pathlib
import re
import shutil
import subprocess
import tempfile

import requests

from _jobs import children, exists
from _server import BINARY, Server, run_all, wait_until

ROWS = 200
# Exit statuses, as `docs/command-line.md` has them.
INVALID, UNAVAILABLE = 6, 7

MODELS = {
    "logistic": 'kind = "logistic"',
    "linear": 'kind = "linear"',
    "trees": 'kind = "boosted_trees"\nrounds = 5',
    "network": 'kind = "network"\nlayers = [{ type = "dense", units = 2, activation = "softmax" }]',
}


def rows(change=None):
    """A number, a colour and a label that follows from the number; `change` may give another line for a row, from 1."""
    lines = ["x,colour,label"]
    for row in range(1, ROWS + 1):
        line = f"{row % 17},{('red', 'green')[row % 2]},{'ab'[row % 17 > 8]}"
        lines.append((change and change(row)) or line)
    return "\n".join(lines) + "\n"


def numbers(change=None):
    """A number and what is to be foretold from it."""
    lines = [(change and change(row)) or f"{row},{row * 2}" for row in range(1, ROWS + 1)]
    return "\n".join(["x,label", *lines]) + "\n"


def specification(model="logistic", data='path = "rows.csv"', more="", name="model"):
    parts = [f'name = "{name}"\nseed = 7', f'[data]\n{data}\nlabel = "label"', f"[model]\n{MODELS.get(model, model)}"]
    training = "" if model == "trees" else "[training]\nepochs = 5\n"
    return "\n".join([*parts, more or training]) + "\n"


@contextlib.contextmanager
def place(spec, content=None):
    with tempfile.TemporaryDirectory() as directory:
        folder = pathlib.Path(directory)
        (folder / "spec.toml").write_text(spec)
        if content is not None:
            (folder / "rows.csv").write_text(content)
        yield folder


def train(folder, *flags, wrapped=()):
    command = [*wrapped, BINARY, "--data-dir", str(folder / "data"), "train", str(folder / "spec.toml"), "--local"]
    return subprocess.run([*command, *flags], capture_output=True, text=True, timeout=300)


def nothing_is_registered(folder):
    server = Server(folder / "data")
    try:
        assert server.run("models")["models"] == []
        (job,) = server.run("jobs")["jobs"] or [None]
        assert job is None or job["state"] == "failed", job
    finally:
        server.stop()


def refused(spec, content, *phrases, status=INVALID, flags=()):
    """Trains, and wants an error that has all of these phrases; the lines before it are progress and remarks."""
    with place(spec, content) as folder:
        done = train(folder, *flags)
        error = " ".join(done.stderr[done.stderr.rfind("error: ") :].split())
        assert done.returncode == status, f"{done.returncode}: {done.stderr}"
        for phrase in phrases:
            assert phrase in error, f"{phrase!r} is not in {error!r}"
        assert done.stdout == "", done.stdout
        return error


def succeeds(spec, content, *remarks):
    with place(spec, content) as folder:
        done = train(folder)
        assert done.returncode == 0, done.stderr
        for remark in remarks:
            assert remark in done.stderr, f"{remark!r} is not in {done.stderr!r}"


def an_empty_file():
    for model in MODELS:
        refused(specification(model), "", "rows.csv", "has no rows")
        refused(specification(model), "x,colour,label\n", "rows.csv", "has no rows")
    with place(specification(), "") as folder:
        train(folder)
        nothing_is_registered(folder)


def one_class_only():
    content = rows(lambda row: f"{row % 17},red,a")
    for model in ("logistic", "trees", "network"):
        task = f"task = \"classification\"\n{specification(model)}"
        refused(task, content, "the label `label` has one class only, `a`", "at least two are needed")


def a_constant_column():
    content = "x,c,label\n" + "".join(f"{row % 17},3,{'ab'[row % 17 > 8]}\n" for row in range(ROWS))
    for model in ("logistic", "trees"):
        succeeds(specification(model), content, "column `c` is 3 in all", 'may be left out (data.ignore = ["c"])')
    alone = "c,label\n" + "".join(f"3,{'ab'[row % 2]}\n" for row in range(ROWS))
    refused(specification(), alone, "every column has the same value", "nothing to learn from")


def a_label_that_is_missing():
    without = "\n".join(line.rsplit(",", 1)[0] for line in rows().splitlines()) + "\n"
    refused(specification(), without, "there is no column `label`; there are: `x`, `colour`")
    one = rows(lambda row: "3,red," if row == 17 else None)
    for model in ("logistic", "trees"):
        refused(specification(model), one, "row 17: the label `label` is missing", "give it a value or remove the row")


def not_a_number_and_infinity():
    where = "row 17, column `{}`: the value is infinite"
    mend = "replace it by a number or leave it empty"
    for word in ("inf", "-Infinity"):
        content = rows(lambda row: f"{word},red,a" if row == 17 else None)
        for model in ("logistic", "trees"):
            refused(specification(model), content, where.format("x"), mend)
        content = numbers(lambda row: f"3,{word}" if row == 17 else None)
        refused(specification("linear"), content, where.format("label"), mend)
    # NaN is how programs write a number that is missing: a mean stands in for it, unless that is forbidden.
    content = rows(lambda row: "NaN,red,a" if row == 17 else None)
    for model in ("logistic", "trees"):
        succeeds(specification(model), content)
    forbid = '[features]\nmissing_numbers = "refuse"\n'
    everything = "[split]\ntrain = 1.0\nvalidation = 0.0\ntest = 0.0\n"
    spec = specification(more=forbid + everything)
    refused(spec, content, "row 17, column `x`: the value is missing", 'features.missing_numbers = "refuse"')
    content = numbers(lambda row: "3,NaN" if row == 17 else None)
    refused(specification("linear"), content, "row 17: the label `label` is missing or not a number")


def text_in_a_column_of_numbers():
    content = rows(lambda row: "seven,red,a" if row == 17 else None)
    for model in ("logistic", "trees"):
        refused(specification(model), content, "row 17, column `x`: `seven` is not a number", "[data.columns.x]")
    # Said to be words, it is learned from.
    succeeds(specification(more='[data.columns.x]\ntype = "category"\n'), content)


def a_hundred_thousand_categories():
    content = "user,x,label\n" + "".join(f"u{row},{row % 17},{'ab'[row % 17 > 8]}\n" for row in range(100_000))
    ways_out = ('data.ignore = ["user"]', "read it as text", "raise features.max_categories")
    for model in ("logistic", "trees"):
        too_many = ("column `user` has", "more than features.max_categories = 1000")
        refused(specification(model), content, *too_many, *ways_out)
    ignored = specification(data='path = "rows.csv"\nignore = ["user"]')
    succeeds(ignored, content)


def a_specification_that_does_not_type_check():
    # There are no data: layers are checked before anybody looks for them.
    def layers(*listed, shape="[3, 8, 8]"):
        return f'kind = "network"\ninput = {shape}\nlayers = [{", ".join(listed)}]'

    flat, end = '{ type = "flatten" }', '{ type = "dense", units = 2, activation = "softmax" }'
    wide = '{ type = "conv2d", filters = 4, kernel = 9 }'
    too_wide = ("layer 1 (conv2d)", "a kernel of 9 does not fit a height of 8", "use a smaller kernel")
    refused(specification(layers(wide, flat, end)), None, *too_wide)
    fits = '{ type = "conv2d", filters = 4, kernel = 3 }'
    refused(specification(layers(fits, end)), None, "layer 2 (dense)", "flatten")
    hidden = '{ type = "dense", units = 4, activation = "relu" }'
    refused(specification(layers(hidden, fits, end, shape="[10]")), None, "layer 2 (conv2d)", "[channels, height, width]")
    refused(specification(layers(end, hidden, shape="[10]")), None, "layer 1 (dense)", "softmax")
    refused(specification("network").replace("epochs", "epocks"), None, "training.epocks is not a key", "epochs")
    refused(specification("linear", more='[training]\nloss = "categorical_cross_entropy"\n'), None, "training.loss")
    # With the data there, the last layer must fit the label.
    nine = specification(layers('{ type = "dense", units = 9, activation = "softmax" }', shape="[1]"))
    content = "x,label\n" + "".join(f"{row % 17},{'ab'[row % 17 > 8]}\n" for row in range(ROWS))
    refused(nine, content, "layer 1 (dense) gives 9 numbers, but the label has 2 classes", "units = 2")


def a_memory_limit_that_is_reached():
    layers = ", ".join('{ type = "dense", units = 16000, activation = "relu" }' for _ in range(2))
    end = '{ type = "dense", units = 2, activation = "softmax" }'
    spec = specification(f'kind = "network"\nlayers = [{layers}, {end}]')
    error = refused(spec, rows(), "memory limit reached", "of 512 MiB", "lower batch_size", flags=("--memory", "512MiB"))
    needed = int(re.search(r"at least (\d+) MiB", error).group(1))
    assert needed > 512, error
    # Rows that do not fit into it are told while they are read; reading itself may be what reaches the limit first.
    columns = 400
    header = ",".join([f"x{column}" for column in range(columns)] + ["label"])
    line = ",".join(["1.5"] * columns)
    content = "\n".join([header] + [f"{line},{'ab'[row % 2]}" for row in range(50_000)]) + "\n"
    error = refused(specification(), content, "raise the limit", flags=("--memory", "200MiB"))
    assert "bytes of memory, the limit is" in error or "memory limit reached" in error, error


def a_disk_that_is_full_in_mid_run():
    # Three million numbers a checkpoint, with what Adam remembers: the first fits, the next beside it does not.
    layers = ", ".join('{ type = "dense", units = 1024, activation = "relu" }' for _ in range(2))
    network = f'kind = "network"\nlayers = [{layers}, {{ type = "dense", units = 2, activation = "softmax" }}]'
    more = "[training]\nepochs = 50\ncheckpoint_every = 1\n"
    with place(specification(network, more=more), rows()) as folder:
        mount = 'mount -t tmpfs -o size=30m none "$0" && "$@"; status=$?; ls -A "$0"/jobs; exit $status'
        (folder / "data").mkdir()
        in_a_small_disk = [*PRIVATE_MOUNTS, "sh", "-c", mount, str(folder / "data")]
        done = train(folder, "--json", wrapped=in_a_small_disk)
        assert done.returncode == UNAVAILABLE, done
        said = "the disk is full: the job could not write its files; free some space on the disk of the data directory"
        assert said in done.stderr, done.stderr
        assert done.stdout == "", f"left behind: {done.stdout}"


def on_a_server(check):
    def checked():
        with tempfile.TemporaryDirectory() as directory:
            running = Server(pathlib.Path(directory) / "data")
            try:
                check(running, pathlib.Path(directory))
                assert running.stop() == 0
            finally:
                if running.process.poll() is None:
                    running.kill()

    checked.__name__ = check.__name__
    return checked


def ask(running, method, path, **more):
    return requests.request(method, f"{running.url}{path}", headers=running.headers, timeout=60, **more)


def submit(running, spec):
    answer = ask(running, "POST", "/api/v1/jobs", json={"spec": spec})
    assert answer.status_code < 300, answer.text
    return answer.json()["id"]


def job(running, identity):
    return ask(running, "GET", f"/api/v1/jobs/{identity}").json()


def a_category_that_training_has_not_seen(running, folder):
    (folder / "colours.csv").write_text(
        "x,colour,label\n" + "".join(f"{row % 5},{('red', 'green')[row % 2]},{'ab'[row % 2]}\n" for row in range(ROWS))
    )
    running.run("data", "add", "colours", str(folder / "colours.csv"))
    for model in ("logistic", "trees"):
        spec = folder / "spec.toml"
        spec.write_text(specification(model, data='dataset = "colours"', name=model))
        assert running.run("train", str(spec))["version"] == 1

        def shares(*colours, model=model):
            inputs = [
                {"name": "x", "datatype": "FP32", "shape": [len(colours), 1], "data": [2.0] * len(colours)},
                {"name": "colour", "datatype": "BYTES", "shape": [len(colours), 1], "data": list(colours)},
            ]
            answer = ask(running, "POST", f"/v2/models/{model}/infer", json={"inputs": inputs})
            assert answer.status_code == 200, answer.text
            data = answer.json()["outputs"][0]["data"]
            return [data[place : place + 2] for place in range(0, len(data), 2)]

        red, green, purple, nothing = shares("red", "green", "purple", "")
        assert red[0] > 0.5 > green[0] or green[0] > 0.5 > red[0], (red, green)
        assert purple == nothing, (purple, nothing)
        assert all(0 <= share <= 1 for share in purple) and abs(sum(purple) - 1) < 1e-6, purple
        # It is none of the known ones: between them for weights; trees ask whether it is the one or is not.
        assert model == "trees" or min(red, green) < purple < max(red, green), (purple, red, green)
        # And it does not disturb its neighbours.
        assert shares("red") == [red] and shares("green") == [green]


def a_checkpoint_from_another_specification(running, folder):
    def long(seed):
        # Many epochs, each of them kept.
        hidden = {"type": "dense", "units": 64, "activation": "relu"}
        layers = [hidden, {"type": "dense", "units": 10, "activation": "softmax"}]
        training = {"epochs": 100_000, "checkpoint_every": 1}
        model = {"kind": "network", "layers": layers}
        return {"name": "long", "seed": seed, "data": {"builtin": "digits"}, "model": model, "training": training}

    jobs = folder / "data" / "jobs"

    def checkpoints(identity):
        kept = jobs / identity / "checkpoints"
        # One that is being written has another name.
        return sorted(kept.glob("step-*")) if kept.is_dir() else []

    def kill():
        living = children(running.process.pid)
        running.kill()
        # Until they have ended they may keep more.
        wait_until(lambda: not any(exists(child) for child in living))

    def kept_by(identity):
        wait_until(lambda: checkpoints(identity))

    first = submit(running, long(1))
    kept_by(first)
    kill()
    other = folder / "checkpoints"
    shutil.copytree(jobs / first / "checkpoints", other)
    running.start()
    ask(running, "POST", f"/api/v1/jobs/{first}/cancel", json={})
    second = submit(running, long(2))
    kept_by(second)
    kill()
    # The directory was restored from the wrong backup: there lie the checkpoints of another job.
    shutil.rmtree(jobs / second / "checkpoints")
    shutil.copytree(other, jobs / second / "checkpoints")
    running.start()
    wait_until(lambda: job(running, second)["state"] in ("failed", "succeeded"), seconds=60)
    ended = job(running, second)
    assert ended["state"] == "failed", ended
    message = ended["error"]["message"]
    assert "cannot go on from the checkpoint: it is from another specification" in message, message
    assert "or with the specification it was made by" in message and ended["attempt"] == 2, ended


def a_specification_that_asks_a_server_for_a_path(running, folder):
    for data in (
        {"path": "/etc/passwd", "format": "csv"},
        {"builtin": "digits", "test": {"path": "../admin.key", "format": "csv"}},
        {"path": "rows.csv"},
    ):
        spec = {"name": "m", "data": {**data, "label": "label"}, "model": {"kind": "logistic"}}
        if "test" in data:
            spec["split"] = {"train": 0.8, "validation": 0.2, "test": 0.0}
        answer = ask(running, "POST", "/api/v1/jobs", json={"spec": spec})
        assert answer.status_code == 400, answer.text
        message = answer.json()["error"]["message"]
        assert "path" in message and "dataset" in message, message
    spec = folder / "spec.toml"
    spec.write_text(specification(data='path = "rows.csv"'))
    said = running.run("train", str(spec), check=False, json_answer=False)
    assert said.returncode == INVALID and "modelyard data add" in said.stderr, said
    assert running.run("jobs")["jobs"] == []


def a_data_set_that_a_job_still_reads_is_not_deleted(running, folder):
    (folder / "rows.csv").write_text(rows())
    for line in ("", "1,red,a\n"):
        (folder / "rows.csv").write_text(rows() + line)
        running.run("data", "add", "colours", str(folder / "rows.csv"))
    training = {"epochs": 100_000}
    data = {"dataset": "colours:1", "label": "label"}
    layers = [{"type": "dense", "units": 2, "activation": "softmax"}]
    model = {"kind": "network", "layers": layers}
    identity = submit(running, {"name": "m", "data": data, "model": model, "training": training})
    wait_until(lambda: job(running, identity)["state"] == "running")

    def remove(*arguments):
        return running.run("data", "rm", *arguments, check=False, json_answer=False)

    said = remove("colours:1")
    assert said.returncode != 0 and f"is still read by job {identity}" in said.stderr, said
    assert remove("colours").returncode == 2 and "say which version" in remove("colours").stderr
    running.run("jobs", "cancel", identity)
    wait_until(lambda: job(running, identity)["state"] == "cancelled")
    assert remove("colours", "--all").returncode == 0
    assert running.run("data", "list")["data_sets"] == []
    assert running.run("gc")["deleted"] == 2
    assert remove("colours:1").returncode == 5


def may_mount():
    """How to run something that may mount a file system of its own, if that is allowed here."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return None
    command = [unshare, "--map-root-user", "--mount"]
    probe = [*command, "sh", "-c", "mount -t tmpfs -o size=1m none /mnt"]
    return command if subprocess.run(probe, capture_output=True).returncode == 0 else None


PRIVATE_MOUNTS = may_mount()
run_all(
    an_empty_file,
    one_class_only,
    a_constant_column,
    a_label_that_is_missing,
    not_a_number_and_infinity,
    text_in_a_column_of_numbers,
    on_a_server(a_category_that_training_has_not_seen),
    a_hundred_thousand_categories,
    a_specification_that_does_not_type_check,
    on_a_server(a_checkpoint_from_another_specification),
    *([a_disk_that_is_full_in_mid_run] if PRIVATE_MOUNTS else []),
    a_memory_limit_that_is_reached,
    on_a_server(a_specification_that_asks_a_server_for_a_path),
    on_a_server(a_data_set_that_a_job_still_reads_is_not_deleted),
    missing=[] if PRIVATE_MOUNTS else [a_disk_that_is_full_in_mid_run],
    reason="this needs `unshare` and a kernel that lets users mount a file system of their own",
)
