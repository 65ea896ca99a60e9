"""Sentence encoders and rerankers through OpenAI's API: MiniLM as a directory with its tokenizer, texts of many languages.

What is expected is computed here: the tokens by a WordPiece tokenizer of some forty lines, the rows by ONNX Runtime, one
text after the other. No small cross-encoder comes in a package, so the one below is a graph made on the spot, which
counts the words that a document shares with the query; its tokenizer is MiniLM's.
"""

import base64
import json
import math
import pathlib
import shutil
import tempfile
import time
import unicodedata

import numpy
import onnx
import onnxruntime
import openai
import requests
from onnx import TensorProto, helper

from _server import ASSETS, DIGITS_MODEL, run_all, server

ENCODERS = ASSETS / "encoders"
LANGUAGE_MODEL = ASSETS / "language" / "smollm2-135m-q4_1.gguf"
LONGEST = 256

SENTENCES = (
    "The cat sits on the mat.",
    "Ein Hund läuft über die Straße!",
    "Où est la bibliothèque? Elle est près de l'église…",
    "¿Dónde está el niño? ¡Aquí!",
    "Москва — столица России.",
    "東京は日本の首都です。",
    "北京是中华人民共和国的首都。",
    "서울은 대한민국의 수도이다.",
    "القاهرة هي عاصمة مصر",
    "नई दिल्ली भारत की राजधानी है",
    "Η Αθήνα είναι η πρωτεύουσα της Ελλάδας.",
    "İstanbul'da hava güzel; ŞİMDİ çık!",
    "print('hello, world') # 3.14159 != 2.71828",
    "a@b.example, +49-30-123456, https://example.org/x?y=1&z=%20",
    "🌊 waves \t and\n newlines\u00a0and   spaces 🐈",
    "Pneumonoultramicroscopicsilicovolcanoconiosis and floccinaucinihilipilification",
    "[CLS] a user's own control tokens [SEP] are text [MASK]",
    "x" * 120 + " is too long for a word",
)


def texts():
    """Two hundred, from one word to nearly as long as the model reads."""
    made = []
    for number in range(200):
        count = 1 + number % 9
        start = number * 7
        parts = [SENTENCES[(start + step) % len(SENTENCES)] for step in range(count)]
        text = " ".join(parts)
        made.append(text if number % 5 else text[: 1 + number % 23] + f" {number}")
    return [text for text in made if len(WORDS.tokens(text)) <= LONGEST] + ["a", "!", "北"]


class WordPiece:
    """BERT's uncased tokenizer, for texts without control tokens."""

    def __init__(self, file):
        self.vocabulary = json.loads(file.read_text())["model"]["vocab"]

    def tokens(self, text, second=None):
        tokens = [self.vocabulary["[CLS]"], *self.pieces(text), self.vocabulary["[SEP]"]]
        return tokens if second is None else [*tokens, *self.pieces(second), self.vocabulary["[SEP]"]]

    def pieces(self, text):
        return [piece for word in self.words(text) for piece in self.split(word)]

    def words(self, text):
        clean = "".join(" " if self.is_space(letter) else letter for letter in text if not self.is_control(letter))
        spaced = "".join(f" {letter} " if self.is_han(letter) else letter for letter in clean)
        bare = "".join(letter for letter in unicodedata.normalize("NFD", spaced) if unicodedata.category(letter) != "Mn")
        # Letter by letter, so that the end of a word is no end of a word.
        lower = "".join(letter.lower() for letter in bare)
        return "".join(f" {letter} " if self.is_mark(letter) else letter for letter in lower).split()

    def split(self, word):
        pieces, start = [], 0
        while start < len(word) and len(word) <= 100:
            end = len(word)
            while end > start and ("##" * (start > 0) + word[start:end]) not in self.vocabulary:
                end -= 1
            if end == start:
                break
            pieces.append(self.vocabulary["##" * (start > 0) + word[start:end]])
            start = end
        return pieces if start == len(word) else [self.vocabulary["[UNK]"]]

    @staticmethod
    def is_space(letter):
        return letter in "\t\n\r" or letter.isspace()

    @staticmethod
    def is_control(letter):
        if letter in "\t\n\r":
            return False
        return letter in "\0\ufffd" or unicodedata.category(letter) in ("Cc", "Cf", "Cn", "Co")

    @staticmethod
    def is_han(letter):
        ranges = ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F))
        return any(first <= ord(letter) <= last for first, last in ranges)

    @staticmethod
    def is_mark(letter):
        ascii_mark = letter.isascii() and letter.isprintable() and not letter.isalnum() and letter != " "
        return ascii_mark or unicodedata.category(letter).startswith("P")


WORDS = WordPiece(ENCODERS / "minilm-l3" / "tokenizer.json")


class Reference:
    """The rows of a model that reads one text after the other."""

    def __init__(self, model):
        self.session = onnxruntime.InferenceSession(ENCODERS / model / "model.onnx", providers=["CPUExecutionProvider"])
        self.names = [given.name for given in self.session.get_inputs()]

    def row(self, tokens):
        ids = numpy.array([tokens], dtype=numpy.int64)
        feeds = {"input_ids": ids, "attention_mask": numpy.ones_like(ids), "token_type_ids": numpy.zeros_like(ids)}
        (rows,) = self.session.run(["last_hidden_state"], {name: feeds[name] for name in self.names})
        mean = rows[0].mean(axis=0)
        return mean / numpy.linalg.norm(mean)


def make_cross_encoder(folder):
    """Scores a pair by the tokens of the document that are in the query too, less 1.5; those that begin and end a text
    have small numbers and do not count."""
    nodes = [
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["token_type_ids"], ["types"], to=TensorProto.FLOAT),
        helper.make_node("Greater", ["input_ids", "controls"], ["is_word"]),
        helper.make_node("Cast", ["is_word"], ["words"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["mask", "words"], ["real"]),
        helper.make_node("Mul", ["real", "types"], ["document"]),
        helper.make_node("Sub", ["real", "document"], ["query"]),
        helper.make_node("Unsqueeze", ["input_ids", "second"], ["rows"]),
        helper.make_node("Unsqueeze", ["input_ids", "first"], ["columns"]),
        helper.make_node("Equal", ["rows", "columns"], ["equal"]),
        helper.make_node("Cast", ["equal"], ["same"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["query", "second"], ["query_rows"]),
        helper.make_node("Unsqueeze", ["document", "first"], ["document_columns"]),
        helper.make_node("Mul", ["same", "query_rows"], ["of_query"]),
        helper.make_node("Mul", ["of_query", "document_columns"], ["shared"]),
        helper.make_node("ReduceSum", ["shared", "inner"], ["count"], keepdims=0),
        helper.make_node("Unsqueeze", ["count", "first"], ["column"]),
        helper.make_node("Sub", ["column", "bias"], ["logits"]),
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
        for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    constants = [
        helper.make_tensor("controls", TensorProto.INT64, [], [103]),
        helper.make_tensor("first", TensorProto.INT64, [1], [1]),
        helper.make_tensor("second", TensorProto.INT64, [1], [2]),
        helper.make_tensor("inner", TensorProto.INT64, [2], [1, 2]),
        helper.make_tensor("bias", TensorProto.FLOAT, [], [1.5]),
    ]
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1])
    graph = helper.make_graph(nodes, "shared-words", inputs, [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    folder.mkdir()
    onnx.save(model, folder / "model.onnx")
    shutil.copyfile(ENCODERS / "minilm-l3" / "tokenizer.json", folder / "tokenizer.json")
    return folder


def make_classifier(folder):
    """Three numbers for each text, though the signature does not say that they are three: it might score pairs. No engine
    can tell before a run, since the three come out of what depends on the input."""
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["ids"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["ids", "mask"], ["real"]),
        helper.make_node("ReduceSum", ["real", "inner"], ["sums"], keepdims=1),
        helper.make_node("Size", ["input_ids"], ["size"]),
        helper.make_node("Mul", ["size", "classes"], ["positive"]),
        helper.make_node("NonZero", ["positive"], ["numbers"]),
        helper.make_node("Cast", ["numbers"], ["columns"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["sums", "columns"], ["logits"]),
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
        for name in ("input_ids", "attention_mask")
    ]
    constants = [
        helper.make_tensor("inner", TensorProto.INT64, [1], [1]),
        helper.make_tensor("classes", TensorProto.INT64, [3], [1, 2, 3]),
    ]
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "classes"])
    graph = helper.make_graph(nodes, "three-classes", inputs, [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    folder.mkdir()
    onnx.save(model, folder / "model.onnx")
    shutil.copyfile(ENCODERS / "minilm-l3" / "tokenizer.json", folder / "tokenizer.json")
    return folder


def near(one, other):
    one, other = numpy.asarray(one, dtype=numpy.float64), numpy.asarray(other, dtype=numpy.float64)
    return float(one @ other / (numpy.linalg.norm(one) * numpy.linalg.norm(other)))


class Checks:
    def __init__(self, running):
        self.running = running
        self.client = openai.OpenAI(api_key=running.key, base_url=f"{running.url}/v1", max_retries=0, timeout=300)

    def embed(self, given, model="minilm", **more):
        return self.client.embeddings.create(model=model, input=given, **more)

    def refused(self, part, ask, param=None, code=None):
        try:
            answer = ask()
        except openai.BadRequestError as error:
            assert part in str(error), (part, str(error))
            assert param is None or error.param == param, (param, error.param)
            assert code is None or error.code == code, (code, error.code)
            return
        raise AssertionError(f"not refused: {answer}")

    def post(self, path, body, status=200):
        answer = requests.post(f"{self.running.url}{path}", headers=self.running.headers, json=body, timeout=300)
        assert answer.status_code == status, (answer.status_code, answer.text)
        return answer.json()

    def rows_are_those_of_the_reference(self):
        reference, given = Reference("minilm-l3"), texts()
        tokens = [WORDS.tokens(text) for text in given]
        assert len(given) >= 190 and max(map(len, tokens)) > 128, (len(given), max(map(len, tokens)))
        answer = self.embed(given)
        assert answer.usage.prompt_tokens == answer.usage.total_tokens == sum(map(len, tokens)), answer.usage
        assert [item.index for item in answer.data] == list(range(len(given)))
        for text, of_text, item in zip(given, tokens, answer.data):
            expected = reference.row(of_text)
            assert len(item.embedding) == 384 and near(item.embedding, expected) >= 0.9999, (
                text,
                near(item.embedding, expected),
            )
            assert abs(numpy.linalg.norm(item.embedding) - 1) < 1e-5, text

    def rows_of_a_model_that_mixes_them_are_computed_one_by_one(self):
        reference, given = Reference("minilm-l6-int8"), texts()[:40]
        for text, item in zip(given, self.embed(given, model="minilm-int8").data):
            expected = reference.row(WORDS.tokens(text))
            assert near(item.embedding, expected) >= 0.9999, (text, near(item.embedding, expected))

    def floats_base64_and_tokens_are_the_same(self):
        text = "The cat sits on the mat."
        expected = self.embed(text).data[0].embedding
        floats = self.embed(text, encoding_format="float").data[0].embedding
        assert numpy.allclose(floats, expected, atol=1e-6)
        body = {"model": "minilm", "input": text, "encoding_format": "base64"}
        raw = self.post("/openai/v1/embeddings", body)["data"][0]["embedding"]
        assert numpy.allclose(numpy.frombuffer(base64.b64decode(raw), dtype="<f4"), expected, atol=1e-6)
        by_tokens = self.embed([WORDS.tokens(text)]).data[0].embedding
        assert numpy.allclose(by_tokens, expected, atol=1e-6)
        self.refused("no token of the number 30522", lambda: self.embed([[101, 30522]]), param="input")
        assert len(self.embed(text, dimensions=384).data[0].embedding) == 384
        self.refused("384 dimensions", lambda: self.embed(text, dimensions=100), param="dimensions")

    def a_text_that_is_too_long_is_refused_or_cut(self):
        long = "cat " * 400
        self.refused("402 tokens", lambda: self.embed(long), param="input", code="context_length_exceeded")
        self.refused(f"at most {LONGEST}", lambda: self.embed(["short", long]))
        answer = self.embed(long, extra_body={"truncate": True})
        assert answer.usage.prompt_tokens == LONGEST, answer.usage
        expected = Reference("minilm-l3").row(WORDS.tokens("cat " * (LONGEST - 2)))
        assert near(answer.data[0].embedding, expected) >= 0.9999
        self.refused("dimensions", lambda: self.embed("cat", dimensions=0))

    def a_text_without_end_is_not_read_to_the_end(self):
        endless = "a " * 4_000_000
        started = time.monotonic()
        self.refused("at most 65536", lambda: self.embed(endless), param="input", code="context_length_exceeded")
        answer = self.embed(["short", endless], extra_body={"truncate": True})
        assert answer.usage.prompt_tokens == 3 + LONGEST, answer.usage
        assert time.monotonic() - started < 10, "8 MB would take longer than this"

    def a_classifier_beside_a_tokenizer_is_asked_by_its_tensors(self):
        ids = {"name": "input_ids", "shape": [1, 3], "datatype": "INT64", "data": [1, 2, 3]}
        mask = {"name": "attention_mask", "shape": [1, 3], "datatype": "INT64", "data": [1, 1, 1]}
        outputs = self.post("/v2/models/classifier/infer", {"inputs": [ids, mask]})["outputs"]
        assert outputs[0]["shape"] == [1, 3] and outputs[0]["data"] == [0, 6, 12], outputs
        self.refused("/v2/models/classifier/infer", lambda: self.embed("a", model="classifier"), param="model")

    def encoders_are_listed_and_write_nothing(self):
        names = {model.id for model in self.client.models.list()}
        assert {"minilm", "minilm-int8", "reranker", "smollm"} <= names and "digits" not in names, names
        assert self.client.models.retrieve("minilm").id == "minilm"
        chat = [{"role": "user", "content": "hi"}]
        self.refused("is an encoder", lambda: self.client.chat.completions.create(model="minilm", messages=chat))
        self.refused("/v2/models/digits/infer", lambda: self.embed("a", model="digits"), param="model")
        self.refused("no embeddings", lambda: self.embed("a", model="reranker"), param="model")
        # Its tensors can be asked for as before.
        ids = {"name": "input_ids", "shape": [1, 3], "datatype": "INT64", "data": [101, 4937, 102]}
        mask = {"name": "attention_mask", "shape": [1, 3], "datatype": "INT64", "data": [1, 1, 1]}
        outputs = self.post("/v2/models/minilm/infer", {"inputs": [ids, mask]})["outputs"]
        assert outputs[0]["shape"] == [1, 3, 384], outputs[0]["shape"]

    def language_models_have_embeddings_as_before(self):
        cats, more_cats, prices = self.embed(
            ["The cat sits.", "A cat is sitting.", "Stock prices fell."], model="smollm"
        ).data
        assert len(cats.embedding) == 576
        assert near(cats.embedding, more_cats.embedding) > near(cats.embedding, prices.embedding)

    def rerank(self, **more):
        body = {"model": "minilm", "query": "Where does the cat sit?", "documents": DOCUMENTS, **more}
        return self.post("/v1/rerank", body)

    def documents_are_put_in_order(self):
        for model in ("minilm", "minilm-int8", "smollm"):
            answer = self.rerank(model=model)
            results = answer["results"]
            assert sorted(result["index"] for result in results) == list(range(len(DOCUMENTS))), results
            scores = [result["relevance_score"] for result in results]
            assert scores == sorted(scores, reverse=True) and all("document" not in result for result in results)
            if model != "smollm":
                assert results[0]["index"] == 2, (model, results)
            usage = answer["usage"]
            assert usage["prompt_tokens"] == usage["total_tokens"] > 20 and answer["id"], answer
        best = self.rerank(top_n=1, return_documents=True)["results"]
        assert len(best) == 1 and best[0]["document"] == {"text": DOCUMENTS[2]}, best
        objects = self.rerank(documents=[{"text": text} for text in DOCUMENTS])
        assert objects["results"] == self.rerank()["results"]
        query, *rows = self.embed(["Where does the cat sit?", *DOCUMENTS]).data
        for result in self.rerank()["results"]:
            expected = near(query.embedding, rows[result["index"]].embedding)
            assert abs(result["relevance_score"] - expected) < 1e-5, result

    def pairs_are_scored_by_a_cross_encoder(self):
        documents = ["no word", "the cat", "a cat sat there", "the cat sits where the cat sits", "cat"] * 9
        query = "where does the cat sit"
        answer = self.post("/openai/v1/rerank", {"model": "reranker", "query": query, "documents": documents})
        asked = WORDS.pieces(query)
        for result in answer["results"]:
            pieces = WORDS.pieces(documents[result["index"]])
            logit = sum(asked.count(piece) for piece in pieces) - 1.5
            assert abs(result["relevance_score"] - 1 / (1 + math.exp(-logit))) < 1e-6, (result, logit)
        ranks = [(-result["relevance_score"], result["index"]) for result in answer["results"]]
        assert ranks == sorted(ranks), "equals stand in the order of the request"
        read = sum(len(WORDS.tokens(query, document)) for document in documents)
        assert answer["usage"] == {"prompt_tokens": read, "total_tokens": read}, answer["usage"]

    def what_cannot_be_ranked_is_refused(self):
        def error(part, param, **more):
            body = {"model": "reranker", "query": "cat", "documents": ["cat"], **more}
            told = self.post("/v1/rerank", body, status=400)["error"]
            assert part in told["message"] and told["param"] == param, told

        error("'documents'", "documents", documents=[])
        error("'query'", "query", query="")
        error("'max_tokens_per_doc' is not supported", "max_tokens_per_doc", max_tokens_per_doc=100)
        error("Unrecognized", "best_of", best_of=1)
        error("603 tokens", "documents", query="cat " * 300, documents=["cat " * 300])
        error("no room", "query", query="cat " * 600)
        error("at most 131072", "query", query="cat " * 40_000, truncate=True)
        error("at most 131072", "documents", documents=["cat", "cat " * 40_000])
        error("402 tokens", "documents", model="minilm", documents=["cat " * 400])
        error("402 tokens", "query", model="minilm", query="cat " * 400)
        error("/v2/models/digits/infer", "model", model="digits")
        cut = self.post(
            "/v1/rerank", {"model": "reranker", "query": "cat", "documents": ["cat " * 600], "truncate": True}
        )
        assert cut["usage"]["prompt_tokens"] == 512, cut
        many = self.post("/v1/rerank", {"model": "reranker", "query": "cat " * 400, "documents": ["cat"] * 2048})
        assert many["usage"]["prompt_tokens"] == 2048 * 404, many["usage"]

    def a_budget_counts_what_is_read(self):
        made = self.running.run("keys", "create", "reader", "--role", "consumer", "--tokens-per-day", "40")
        client = openai.OpenAI(api_key=made["secret"], base_url=f"{self.running.url}/v1", max_retries=0)
        used = 0
        try:
            for _ in range(20):
                used += client.embeddings.create(model="minilm", input="The cat sits on the mat.").usage.total_tokens
        except openai.RateLimitError:
            pass
        tokens = len(WORDS.tokens("The cat sits on the mat."))
        assert used == 40 // tokens * tokens, (used, tokens)

    def a_tokenizer_that_is_broken_is_refused_at_the_push(self):
        for name, content, part in (
            ("tokenizer.json", "{", "tokenizer.json"),
            ("tokenizer.json", "{}", "tokenizer.json"),
            ("modules.json", '[{"type": "sentence_transformers.models.Dense"}]', "Dense"),
            ("1_Pooling/config.json", '{"pooling_mode": "weightedmean"}', "weightedmean"),
        ):
            with tempfile.TemporaryDirectory() as directory:
                folder = pathlib.Path(directory) / "package"
                shutil.copytree(ENCODERS / "minilm-l3", folder)
                (folder / name).write_text(content)
                done = self.running.run("push", "broken", str(folder), check=False)
                assert done.returncode != 0 and part in done.stderr + done.stdout, (name, done)


DOCUMENTS = [
    "The stock market fell by two percent on Monday.",
    "Photosynthesis turns light into sugar.",
    "The cat is sitting on the mat in the kitchen.",
    "Parliament passed the law after a long debate.",
    "A ship left the harbour at dawn.",
]


def main():
    with server() as running, tempfile.TemporaryDirectory() as directory:
        running.run("push", "minilm", str(ENCODERS / "minilm-l3"))
        running.run("push", "minilm-int8", str(ENCODERS / "minilm-l6-int8"))
        running.run("push", "reranker", str(make_cross_encoder(pathlib.Path(directory) / "reranker")))
        running.run("push", "classifier", str(make_classifier(pathlib.Path(directory) / "classifier")))
        running.run("push", "smollm", str(LANGUAGE_MODEL))
        running.run("push", "digits", str(DIGITS_MODEL))
        checks = Checks(running)
        run_all(
            checks.rows_are_those_of_the_reference,
            checks.rows_of_a_model_that_mixes_them_are_computed_one_by_one,
            checks.floats_base64_and_tokens_are_the_same,
            checks.a_text_that_is_too_long_is_refused_or_cut,
            checks.a_text_without_end_is_not_read_to_the_end,
            checks.a_classifier_beside_a_tokenizer_is_asked_by_its_tensors,
            checks.encoders_are_listed_and_write_nothing,
            checks.language_models_have_embeddings_as_before,
            checks.documents_are_put_in_order,
            checks.pairs_are_scored_by_a_cross_encoder,
            checks.what_cannot_be_ranked_is_refused,
            checks.a_budget_counts_what_is_read,
            checks.a_tokenizer_that_is_broken_is_refused_at_the_push,
        )


if __name__ == "__main__":
    main()
