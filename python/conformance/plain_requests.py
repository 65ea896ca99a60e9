"""The plain predict routes, keys and management through `requests`, as an application would use them."""

import requests

from _server import ASSETS, DIGITS_MODEL, held_out, run_all, samples, server

context = server()
running = context.__enter__()
running.run("push", "digits", str(DIGITS_MODEL))
PIXELS, LABELS = held_out()
H = running.headers


def post(path, body, headers=H, **options):
    return requests.post(running.url + path, json=body, headers=headers, timeout=30, **options)


def argmax(rows):
    return [max(range(10), key=row.__getitem__) for row in rows]


def predict_describes_itself_and_its_sample_works():
    described = requests.get(running.url + "/predict", headers=H, timeout=30).json()
    answer = post("/predict", described["sample"])
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["y_pred"][0]) == 10


def digits_by_every_plain_form():
    for path in ("/predict", "/models/digits/predict"):
        for member in ("x_test", "inputs"):
            answer = post(path, {member: PIXELS})
            assert answer.status_code == 200, answer.text
            hits = sum(got == label for got, label in zip(argmax(answer.json()["y_pred"]), LABELS))
            assert hits / len(LABELS) >= 0.97
            assert answer.headers["x-modelyard-model"] == "digits" and answer.headers["x-modelyard-version"] == "1"
            assert answer.headers["x-request-id"]


def wrong_rows_are_told():
    cases = [
        ({"x_test": []}, 400), ({"x_test": [[1.0] * 63]}, 400), ({"x_test": [[1.0] * 64, [1.0] * 63]}, 400),
        ({"x_test": [["a"] * 64]}, 400), ({}, 400), ({"rows": [[1.0] * 64]}, 400), ([], 400),
    ]
    for body, status in cases:
        answer = post("/predict", body)
        assert answer.status_code == status, (body, answer.status_code, answer.text)
        error = answer.json()["error"]
        assert error["code"] == "invalid_argument" and error["message"] and error["request_id"], error
    for text in ("", "{", '{"x_test": [[NaN]]}', '{"x_test": [[1e999]]}', "\x00"):
        answer = requests.post(running.url + "/predict", data=text, headers=H, timeout=30)
        assert answer.status_code == 400, (text, answer.status_code, answer.text)


def labels_of_a_scikit_learn_pipeline():
    running.run("push", "pipeline", str(ASSETS / "models" / "sklearn-pipeline" / "model.onnx"))
    passport = requests.get(running.url + "/api/v1/models/pipeline/versions/1/passport", headers=H, timeout=30).json()
    sample = samples("sklearn-pipeline")[0]
    expected = next(item["labels"] for item in sample["outputs"] if "labels" in item)
    labels = [output.get("labels") for output in passport["signature"]["outputs"]]
    assert expected in labels, labels
    answer = post("/v2/models/pipeline/infer", {"inputs": sample["inputs"]})
    assert answer.status_code == 200, answer.text


def keys_roles_and_rates():
    made = post("/api/v1/keys", {"name": "app", "role": "consumer", "models": ["digits"], "requests_per_minute": 60, "burst": 5})
    assert made.status_code in (200, 201), made.text
    consumer = {"X-API-Key": made.json()["secret"]}
    statuses = [post("/predict", {"x_test": PIXELS[:1]}, headers=consumer).status_code for _ in range(10)]
    assert statuses.count(200) in (5, 6) and set(statuses) == {200, 429}, statuses
    limited = post("/predict", {"x_test": PIXELS[:1]}, headers=consumer)
    assert limited.status_code == 429 and int(limited.headers["retry-after"]) >= 1, limited.headers
    made = post("/api/v1/keys", {"name": "other", "role": "consumer", "models": ["secret-*"]}).json()
    other = {"Authorization": f"Bearer {made['secret']}"}
    hidden = post("/models/digits/predict", {"x_test": PIXELS[:1]}, headers=other)
    missing = post("/models/nothing/predict", {"x_test": PIXELS[:1]}, headers=other)
    assert hidden.status_code == missing.status_code == 404
    assert hidden.json()["error"]["message"].replace("digits", "nothing") == missing.json()["error"]["message"]
    assert requests.get(running.url + "/api/v1/keys", headers=other, timeout=30).status_code == 403
    assert requests.get(running.url + "/api/v1/models", headers=other, timeout=30).json()["models"] == []
    rotated = post(f"/api/v1/keys/{made['key']['id']}/rotate", {}).json()
    assert post("/models/digits/predict", {"x_test": []}, headers=other).status_code == 401
    fresh = {"Authorization": f"Bearer {rotated['secret']}"}
    assert requests.get(running.url + "/api/v1/models", headers=fresh, timeout=30).status_code == 200
    assert requests.delete(running.url + f"/api/v1/keys/{made['key']['id']}", headers=H, timeout=30).status_code in (200, 204)
    assert requests.get(running.url + "/api/v1/models", headers=fresh, timeout=30).status_code == 401


def browsers_are_kept_out():
    assert requests.get(running.url + "/v2", timeout=30).status_code == 401
    foreign = {**H, "Origin": "https://evil.example"}
    assert post("/predict", {"x_test": PIXELS[:1]}, headers=foreign).status_code == 403
    rebound = {**H, "Host": "evil.example"}
    assert requests.get(running.url + "/v2", headers=rebound, timeout=30).status_code in (400, 403)
    typed = {**H, "Content-Type": "text/plain"}
    refused = requests.post(running.url + "/api/v1/keys", data='{"name":"x","role":"admin"}', headers=typed, timeout=30)
    assert refused.status_code in (400, 415), refused.status_code


def promote_roll_back_archive():
    first = running.run("push", "lane", str(ASSETS / "models" / "mlp-100-128-10" / "model.onnx"))
    second = running.run("push", "lane", str(DIGITS_MODEL))
    same = running.run("push", "lane", str(DIGITS_MODEL))
    assert (first["version"], second["version"], same["version"]) == (1, 2, 2)
    served = lambda: requests.get(running.url + "/v2/models/lane", headers=H, timeout=30).json()["inputs"][0]["name"]
    assert served() == "input"
    running.run("promote", "lane", "2")
    assert served() == "pixels"
    assert running.run("archive", "lane", "2", check=False).returncode != 0
    running.run("rollback", "lane")
    assert served() == "input"
    running.run("archive", "lane", "2")
    assert running.run("promote", "lane", "2", check=False).returncode != 0


def metrics_and_health():
    assert requests.get(running.url + "/health/live", timeout=30).status_code == 200
    assert requests.get(running.url + "/health/ready", timeout=30).json()["ready"] is True
    assert requests.get(running.url + "/metrics", timeout=30).status_code == 401
    text = requests.get(running.url + "/metrics", headers=H, timeout=30).text
    assert 'model="digits"' in text and "_total" in text


def the_openapi_document_is_served():
    document = requests.get(running.url + "/api/openapi.json", headers=H, timeout=30).json()
    assert document["openapi"].startswith("3.") and "/api/v1/models" in document["paths"]


try:
    run_all(
        predict_describes_itself_and_its_sample_works, digits_by_every_plain_form, wrong_rows_are_told,
        labels_of_a_scikit_learn_pipeline, keys_roles_and_rates, browsers_are_kept_out, promote_roll_back_archive,
        metrics_and_health, the_openapi_document_is_served,
    )
finally:
    context.__exit__(None, None, None)
