"""Searches with the real command line, on a server and without one: grid, random and successive halving.

The trial that is registered is really the best: every figure on the leaderboard is what the same settings give when they
are trained alone, and the winner comes out in the same bytes. A killed server changes nothing; a search that is called
off has ended within a second, with all its trials; a search that cannot be meant is refused before it is a job.
"""

import copy
import itertools
import json
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import requests

from _jobs import ask, children, ended, exists, job, submit, versions
from _searches import GRID, HALVING, LONG, REGRESSION
from _server import BINARY, Server, run_all, server, wait_until

place = pathlib.Path(tempfile.mkdtemp(prefix="modelyard-searches-"))
LOCAL = place / "local"


def write(spec, name="spec"):
    path = place / f"{name}.json"
    path.write_text(json.dumps(spec))
    return path


def without_server(*arguments, check=True):
    done = subprocess.run(
        [BINARY, "--data-dir", LOCAL, "--json", *arguments], capture_output=True, text=True, timeout=120
    )
    if not check:
        return done
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return json.loads(done.stdout)


def alone(spec, setting):
    """The specification of one setting as somebody would write it who never heard of searches."""
    spec = copy.deepcopy({key: value for key, value in spec.items() if key != "search"})
    for path, value in setting.items():
        *keys, last = [int(key) if key.isdigit() else key for key in path.split(".")]
        table = spec
        for key in keys:
            table = table[key] if isinstance(table, list) else table.setdefault(key, {})
        table[last] = value
    return spec


def figures(board):
    """What must be the same wherever and however often a search runs: not ids, not times."""
    keys = ("place", "trial", "state", "steps", "quality", "bytes", "setting", "error")
    return [{key: row[key] for key in keys} for row in board["trials"]]


def check_order(board):
    ranked = [row for row in board["trials"] if row["place"] is not None]
    assert [row["place"] for row in ranked] == list(range(1, len(ranked) + 1)), board
    sign = -1 if board["more_is_better"] else 1
    # Longer runs stand above shorter ones, whatever their figures.
    order = [(-(row["steps"] or 0) if board["halving"] else 0, sign * row["quality"], row["bytes"]) for row in ranked]
    assert order == sorted(order), order
    return ranked


def search_here_and_there(running, spec):
    """Runs a search without a server and on one; gives what the latter printed, and its leaderboard."""
    name, path = spec["name"], write(spec)
    here, there = without_server("train", str(path), "--local"), running.run("train", str(path))
    assert set(here) == set(there) == {"job", "model", "version", "summary"}, (here, there)
    assert (there["model"], there["version"]) == (here["model"], here["version"]) == (name, 1)
    assert here["summary"]["search"]["setting"] == there["summary"]["search"]["setting"]
    assert here["summary"]["model_digest"] == there["summary"]["model_digest"]
    board = running.run("leaderboard", name)
    assert board == running.run("leaderboard", there["job"])
    assert (board["search"], board["state"], board["model"]) == (there["job"], "succeeded", name)
    assert figures(board) == figures(without_server("leaderboard", name, "--local"))
    board["halving"] = spec["search"].get("strategy") == "successive_halving"
    ranked = check_order(board)
    winner, told = ranked[0], there["summary"]["search"]
    assert (told["best_trial"], told["best_job"], told["quality"]) == (winner["trial"], winner["job"], winner["quality"])
    assert told["setting"] == winner["setting"]
    # The board says what the trials' own rows say.
    for row in ranked:
        summary = job(running, row["job"])["result"]["summary"]
        assert summary["metrics"]["validation"][board["metric"]] == row["quality"], row
        assert summary["served"]["package_bytes"] == row["bytes"] and row["latency_nanoseconds"] > 0, row
    return there, board


def trained_alone_they_give_the_same(running, spec, board, rows):
    """Trains settings as plain specifications: the same figure; of the winner the version that is there already."""
    for row in rows:
        done = without_server("train", str(write(alone(spec, row["setting"]), "alone")), "--local")
        assert done["summary"]["metrics"]["validation"][board["metric"]] == row["quality"], (row, done["summary"])
        if row["place"] == 1:
            assert done["version"] == 1, "the winner trained alone came out in other bytes"
            on_server = running.run("train", str(place / "alone.json"))
            assert on_server["version"] == 1, "the winner trained alone came out in other bytes"
        else:
            assert done["version"] > 1, "another setting came out in the winner's bytes"


def a_grid_over_kinds_of_model_finds_the_best_of_all_combinations():
    with server() as running:
        _, board = search_here_and_there(running, GRID)
        keys = GRID["search"]["keys"]
        points = len(list(itertools.product(*keys.values())))
        settings = {json.dumps(row["setting"], sort_keys=True) for row in board["trials"]}
        assert len(board["trials"]) == len(settings) == points, board
        assert (board["metric"], board["more_is_better"]) == ("log_loss", False)
        trained_alone_they_give_the_same(running, GRID, board, board["trials"])
        # What is served is the winner.
        digest = running.run("show", "wine-grid")["digest"]
        assert digest == running.run("show", "wine-grid:1")["digest"]
        text = running.run("leaderboard", "wine-grid", json_answer=False).stdout
        lines = text.splitlines()
        assert lines[0].split()[:4] == ["PLACE", "TRIAL", "STATE", "LOG_LOSS"] and len(lines) == points + 1, text
        # Two networks are told apart.
        assert len({line.split("network ", 1)[1] for line in lines if "network " in line}) == 2, text


def random_draws_follow_the_seed():
    with server() as running:
        _, board = search_here_and_there(running, REGRESSION)
        assert (board["metric"], board["more_is_better"], len(board["trials"])) == ("rmse", False, 6)
        trained_alone_they_give_the_same(running, REGRESSION, board, board["trials"])
        settings = {row["trial"]: row["setting"] for row in board["trials"]}
        assert len({json.dumps(setting) for setting in settings.values()}) == 6
        for setting in settings.values():
            assert 5 <= setting["model.rounds"] <= 100 and 0.02 <= setting["model.learning_rate"] <= 0.5, setting
        other = {**REGRESSION, "seed": 4, "search": {**REGRESSION["search"], "trials": 2}}
        running.run("train", str(write(other)))
        # By its name, the newest search of a model.
        newest = running.run("leaderboard", "diabetes-random")
        assert len(newest["trials"]) == 2
        assert all(row["setting"] not in settings.values() for row in newest["trials"]), newest


def halving_trains_the_best_longer():
    with server() as running:
        done, board = search_here_and_there(running, HALVING)
        rungs = {steps: [row for row in board["trials"] if row["steps"] == steps] for steps in (1, 3, 10)}
        assert {steps: len(rows) for steps, rows in rungs.items()} == {1: 9, 3: 3, 10: 1}
        for short, long in ((1, 3), (3, 10)):
            by_quality = sorted(rungs[short], key=lambda row: (-row["quality"], row["bytes"], row["trial"]))
            best = sorted(json.dumps(row["setting"]) for row in by_quality[: len(rungs[long])])
            went_on = sorted(json.dumps(row["setting"]) for row in rungs[long])
            assert went_on == best, (short, board)
        trained_alone_they_give_the_same(running, HALVING, board, rungs[10])
        shorter = copy.deepcopy(HALVING)
        shorter["training"]["epochs"] = 3
        trained_alone_they_give_the_same(running, shorter, board, rungs[3])
        shown = ask(running, "GET", f"/jobs/{done['job']}")
        assert shown["progress"] == {"phase": "trial", "step": 13, "of": 13}, shown["progress"]
        listed = running.run("jobs", "--search", done["job"])["jobs"]
        assert len(listed) == 13 and all(trial["parent"] == done["job"] for trial in listed)


def a_trial_that_fails_does_not_end_the_search_and_says_why():
    with server() as running:
        spec = copy.deepcopy(HALVING)
        spec["name"], spec["training"]["epochs"] = "partly", 2
        # Each fits alone; the label has ten classes.
        spec["search"] = {"strategy": "grid", "keys": {"model.layers.1.units": [9, 10], "training.batch_size": [32, 64]}}
        done = running.run("train", str(write(spec)))
        assert done["summary"]["search"]["trials"] == {"succeeded": 2, "failed": 2, "cancelled": 0}
        assert done["summary"]["search"]["setting"]["model.layers.1.units"] == 10
        board = running.run("leaderboard", "partly")
        failed = [row for row in board["trials"] if row["state"] == "failed"]
        assert [row["place"] for row in board["trials"]] == [1, 2, None, None]
        reason = "layer 2 (dense) gives 9 numbers, but the label has 10 classes"
        assert all(reason in row["error"] and row["setting"]["model.layers.1.units"] == 9 for row in failed), failed
        text = running.run("leaderboard", "partly", json_answer=False).stdout
        assert text.splitlines()[-1].startswith("trials 0, 1: layer 2 (dense)"), text
        told = running.run("train", str(place / "spec.json"), json_answer=False).stderr
        assert "warning: trial 0 failed: layer 2 (dense)" in told, told
        assert "the best of 2 trials, 2 more failed, is trial " in told, told

        spec["search"]["keys"]["model.layers.1.units"] = [9]
        spec["name"] = "never"
        path = str(write(spec))
        there, here = running.run("train", path, check=False), without_server("train", path, "--local", check=False)
        for refused in (there, here):
            error = json.loads(refused.stderr)["error"]
            assert (refused.returncode, error["code"], error["exit_status"]) == (6, "invalid_argument", 6), refused
            assert error["message"].startswith("none of the 2 trials succeeded; trial 0: layer 2 (dense)"), error
        assert versions(running, "never") == []
        board = running.run("leaderboard", "never")
        assert [row["state"] for row in board["trials"]] == ["failed", "failed"] and board["state"] == "failed"

        # That the metric is of another task shows with the first trial, and the others are not made.
        spec = {**copy.deepcopy(REGRESSION), "name": "otherwise"}
        spec["search"].update(metric="accuracy", trials=50)
        refused = running.run("train", str(write(spec)), check=False)
        message = json.loads(refused.stderr)["error"]["message"]
        assert message == "search.metric: 'accuracy' is for classification, but this is regression", message
        states = [row["state"] for row in running.run("leaderboard", "otherwise")["trials"]]
        assert states.count("succeeded") < 5, states


def a_killed_server_leaves_no_ghost_and_the_same_leaderboard():
    (place / "killed").mkdir()
    running = Server(place / "killed" / "data")
    try:
        identity = submit(running, LONG)

        def rows():
            return {row["trial"]: row for row in running.run("leaderboard", identity)["trials"]}

        wait_until(lambda: "succeeded" in [row["state"] for row in rows().values()])
        before = rows()
        assert "running" in {row["state"] for row in before.values()}, before
        living = children(running.process.pid)
        assert living
        running.kill()
        wait_until(lambda: not any(exists(child) for child in living), seconds=5)
        running.start()
        assert job(running, identity)["state"] in ("queued", "running")
        succeeded = [row["trial"] for row in before.values() if row["state"] == "succeeded"]
        wait_until(lambda: sum(row["state"] == "succeeded" for row in rows().values()) > len(succeeded))
        # Stopped in good order it goes on as well.
        assert running.stop() == 0
        running.start()
        assert ended(running, identity)["state"] == "succeeded"
        after = rows()
        assert [row["job"] for _, row in sorted(after.items())] == [row["job"] for _, row in sorted(before.items())]
        for number in succeeded:
            assert job(running, after[number]["job"])["attempt"] == 1, "a trial that had ended was run again"
        assert all(job(running, row["job"])["state"] == "succeeded" for row in after.values())
        assert any(job(running, row["job"])["attempt"] > 1 for row in after.values()), "nothing was interrupted"
        assert children(running.process.pid) == []

        undisturbed = running.run("train", str(write(LONG)))
        assert undisturbed["version"] == 1, "a search that was interrupted ended in other bytes"
        assert figures(running.run("leaderboard", undisturbed["job"])) == figures(running.run("leaderboard", identity))
        # Nobody needs the files of trials any more.
        wait_until(lambda: list((running.directory / "jobs").iterdir()) == [], seconds=5)
        assert running.stop() == 0
    finally:
        if running.process.poll() is None:
            running.kill()


def a_killed_search_without_a_server_goes_on_with_the_next_process():
    directory = place / "alone" / "data"
    directory.parent.mkdir()
    command = [BINARY, "--data-dir", directory, "train", str(write(LONG)), "--local"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        # Warnings may stand before these.
        identity = next(line.split()[1] for line in process.stderr if line.startswith("job "))
        next(line for line in process.stderr if line.startswith("trial "))
        living = children(process.pid)
        process.kill()
    wait_until(lambda: not any(exists(child) for child in living), seconds=5)
    board = [BINARY, "--data-dir", directory, "--json", "leaderboard", identity, "--local"]
    board = json.loads(subprocess.run(board, capture_output=True, text=True, check=True, timeout=60).stdout)
    states = {row["state"] for row in board["trials"]}
    assert "succeeded" in states and states & {"queued", "running"}, board
    quick = {**alone(GRID, {}), "name": "quick"}
    command[-2] = str(write(quick))
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert f"job {identity} (digits-long), which was not finished, goes on beside this one" in done.stderr, done.stderr
    assert done.stdout == "quick version 1\n", done.stdout
    # A server over the same data directory ends it.
    running = Server(directory)
    try:
        assert ended(running, identity)["result"]["version"] == 1
        assert all(row["state"] == "succeeded" for row in running.run("leaderboard", identity)["trials"])
        assert running.run("train", str(write(LONG)))["version"] == 1, "a search that was interrupted ended in other bytes"
        assert running.stop() == 0
    finally:
        if running.process.poll() is None:
            running.kill()


def a_search_that_is_called_off_ends_within_a_second_with_its_trials():
    long = copy.deepcopy(LONG)
    long["training"]["epochs"] = 5000
    with server() as running:
        identity = running.run("train", "--detach", str(write(long)))["job"]
        wait_until(lambda: len(children(running.process.pid)) > 0)
        living = children(running.process.pid)
        begun = time.monotonic()
        running.run("jobs", "cancel", identity)

        def trials():
            return running.run("leaderboard", identity)["trials"]

        wait_until(lambda: job(running, identity)["state"] == "cancelled", seconds=5)
        wait_until(lambda: not any(exists(child) for child in living), seconds=5)
        took = time.monotonic() - begun
        assert took < 1.0, f"it took {took:.2f} s to end"
        assert [row["state"] for row in trials()] == ["cancelled"] * 6, trials()
        assert all(row["place"] is None for row in trials())
        assert versions(running, "digits-long") == []

    # Without a server, Ctrl-C does it.
    command = [BINARY, "--data-dir", LOCAL, "train", str(place / "spec.json"), "--local"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: len(children(process.pid)) > 0)
        living = children(process.pid)
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 130
        took = time.monotonic() - begun
        assert took < 1.0, f"it took {took:.2f} s to end"
        assert not any(exists(child) for child in living)
    board = without_server("leaderboard", "digits-long", "--local")
    assert (board["state"], {row["state"] for row in board["trials"]}) == ("cancelled", {"cancelled"})


# A change of HALVING's search, and what is said of it.
WRONG = [
    ({"trials": 0}, "search.trials must be from 1 to 10000, not 0"),
    ({"strategy": "rnadom"}, "search.strategy is 'rnadom', which does not exist: did you mean 'random'?"),
    ({"metric": "rmse"}, "search.metric: 'rmse' is for regression, but this is classification"),
    ({"first_rung": 11}, "search.first_rung: 11 is more than the 10 epochs of a whole run"),
    ({"strategy": "grid"}, "search.trials: the grid has 25 points, but only 9 trials are allowed"),
    ({"keys": {}}, "search.keys: there are 0: name 1 to 32 keys to vary"),
    ({"key": {}}, "search.key is not a key: did you mean 'keys'?"),
    ({"keys": {"training.bach_size": [1]}}, "training.bach_size is not a key: did you mean 'batch_size'?"),
    ({"keys": {"model.layers.7.units": [1]}}, "model.layers.7: the list has 2 elements, counted from 0"),
    ({"keys": {"training.batch_size": []}}, "search.keys.training.batch_size: there are 0 values: give 1 to 1000"),
    ({"keys": {"training.batch_size": [8, 8]}}, "search.keys.training.batch_size: value 2 is the same as one before it"),
    ({"keys": {"training.batch_size": ["many"]}}, "cannot set training.batch_size to 'many': training.batch_size must be a whole number"),
    ({"keys": {"training.batch_size": [8, 0]}}, "cannot set training.batch_size to 0: training.batch_size must be from 1"),
    ({"keys": {"training.batch_size": {"low": 8, "high": 64}}}, "the key takes whole numbers alone: add whole = true"),
    ({"keys": {"training.batch_size": {"low": 64, "high": 8}}}, "low (64) must be below high (8)"),
    ({"keys": {"training.epochs": [1, 2]}}, "successive_halving sets this itself"),
    ({"keys": {"data.builtin": ["iris"]}}, "'data' must be the same for all trials, or they cannot be compared"),
    ({"keys": {"model.layers.0.activation": ["rellu"]}}, "layer 1 (dense): activation is 'rellu', which does not exist"),
]


def a_search_that_cannot_be_meant_is_refused_before_it_is_a_job():
    with server() as running:
        for change, expected in WRONG:
            spec = {**HALVING, "search": {**HALVING["search"], **change}}
            path = str(write(spec))
            there, here = running.run("train", path, check=False), without_server("train", path, "--local", check=False)
            for done in (there, here):
                assert done.returncode == 6, (change, done)
                assert expected in json.loads(done.stderr)["error"]["message"], (change, done.stderr)
            answer = requests.post(f"{running.url}/api/v1/jobs", json={"spec": spec}, headers=running.headers, timeout=30)
            assert answer.status_code == 400, (change, answer.text)
            assert expected in answer.json()["error"]["message"], (change, answer.text)
        assert running.run("jobs")["jobs"] == []

        # A search of another kind than was meant, or of none.
        for name in ("nothing", "0" * 32):
            missing = running.run("leaderboard", name, check=False)
            assert missing.returncode == 5 and "there is no search" in missing.stderr, missing
        plain = alone(GRID, {})
        identity = running.run("train", str(write(plain)))["job"]
        assert running.run("leaderboard", identity, check=False).returncode == 5
        nowhere = place / "nowhere"
        command = [BINARY, "--data-dir", nowhere, "leaderboard", "digits", "--local"]
        missing = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert missing.returncode == 5 and not nowhere.exists(), missing


try:
    run_all(
        a_grid_over_kinds_of_model_finds_the_best_of_all_combinations,
        random_draws_follow_the_seed,
        halving_trains_the_best_longer,
        a_trial_that_fails_does_not_end_the_search_and_says_why,
        a_killed_server_leaves_no_ghost_and_the_same_leaderboard,
        a_killed_search_without_a_server_goes_on_with_the_next_process,
        a_search_that_is_called_off_ends_within_a_second_with_its_trials,
        a_search_that_cannot_be_meant_is_refused_before_it_is_a_job,
    )
finally:
    shutil.rmtree(place, ignore_errors=True)
