"""Writes byte_pairs.gguf, sentence_pieces.gguf and real_vocabularies.gguf: token ids by the reference packages.

Run with `pip install gguf==0.19.0 tokenizers==0.23.3 sentencepiece==0.2.3 protobuf numpy`:

    python crates/yard-llm/tests/reference/make_tokenizers.py [FOLDER] [--show]

The first two hold small vocabularies that are learnt from texts.py, with digests of its texts' ids by each pre-tokenizer
(`tokenizers`) and with and without a space prefix (`sentencepiece`); --show prints the ids. The third holds digests for
the vocabularies of real models: FOLDER has their GGUF files, named as in REAL; without it that file is left as it is. Models' rules are those of
their own tokenizer.json, as below; vocabularies with scores are read by `sentencepiece`, but for Phi-3, whose
tokenizer.json leaves out white space behind control tokens.
"""

import io
import json
import pathlib
import sys

import gguf
import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from texts import TEXTS
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

HERE = pathlib.Path(__file__).parent
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6
REAL = ["smollm2", "gpt-2", "llama-bpe", "qwen2", "llama-spm", "phi-3", "gemma3"]

LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN_3_5 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+"
)


def camel_case(ending, numbers):
    first, second = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
    return (
        rf"[^\r\n\p{{L}}\p{{N}}]?{first}*{second}+{ending}|[^\r\n\p{{L}}\p{{N}}]?{first}+{second}*{ending}|"
        rf"{numbers}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )


def by_expression(expression):
    split = pre_tokenizers.Split(Regex(expression), "isolated")
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


GPT_2 = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
DIGITS_APART = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), GPT_2])
PRE_TOKENIZERS = {
    "gpt-2": GPT_2,
    "smollm": DIGITS_APART,
    "llama-bpe": by_expression(LLAMA_3),
    "qwen2": by_expression(LLAMA_3.replace("{1,3}", "")),
    "qwen35": by_expression(QWEN_3_5),
    "tekken": by_expression(camel_case("", r"\p{N}")),
    "gpt-4o": by_expression(camel_case("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", r"\p{N}{1,3}")),
}


def byte_pairs(tokens, kinds, merges, name):
    """The reference for a byte-level vocabulary: what text becomes, control tokens included."""
    vocabulary = {}
    for index, token in enumerate(tokens):
        vocabulary.setdefault(token, index)
    halves = [(merge[: merge.index(" ", 1)], merge[merge.index(" ", 1) + 1 :]) for merge in merges]
    whole_words = name in ("llama-bpe", "tekken")
    reference = Tokenizer(models.BPE(vocab=vocabulary, merges=halves, ignore_merges=whole_words))
    if name.startswith("qwen"):
        reference.normalizer = normalizers.NFC()
    reference.pre_tokenizer = PRE_TOKENIZERS[name]
    control = [token for token, kind in zip(tokens, kinds) if kind == CONTROL]
    reference.add_special_tokens([AddedToken(token, normalized=False) for token in control])
    defined = [token for token, kind in zip(tokens, kinds) if kind == USER_DEFINED]
    reference.add_tokens([AddedToken(token, normalized=False) for token in defined])
    return [reference.encode(text, add_special_tokens=False).ids for text in TEXTS]


def sentence_pieces(tokens, scores, kinds, prefix):
    """The reference for a vocabulary with scores: what text becomes, control tokens not looked for."""
    model = sentencepiece_model_pb2.ModelProto()
    for token, score, kind in zip(tokens, scores, kinds):
        # Some files have two tokens of the unknown kind; the package takes one.
        another = kind == UNKNOWN and any(piece.type == UNKNOWN for piece in model.pieces)
        piece = token.replace(" ", "\u2581") if kind == USER_DEFINED else token
        model.pieces.add(piece=piece, score=float(score), type=CONTROL if another else kind)
    model.trainer_spec.model_type = 2
    model.trainer_spec.byte_fallback = BYTE in kinds
    unknown = (piece.piece for piece in model.pieces if piece.type == UNKNOWN)
    model.trainer_spec.unk_piece = next(unknown, "<unk>")
    model.trainer_spec.bos_id = model.trainer_spec.eos_id = model.trainer_spec.pad_id = -1
    model.normalizer_spec.name = "identity"
    model.normalizer_spec.add_dummy_prefix = prefix
    model.normalizer_spec.remove_extra_whitespaces = False
    model.normalizer_spec.escape_whitespaces = True
    reference = sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())
    return [reference.encode(text) for text in TEXTS]


def phi_3(tokens, scores, kinds):
    """The reference for Phi-3: its scores as merges, control tokens included."""
    vocabulary = {token: index for index, token in enumerate(tokens)}
    merges = []
    for token, score, kind in zip(tokens, scores, kinds):
        halves = [(token[:at], token[at:]) for at in range(1, len(token))] if kind == NORMAL else []
        known = [pair for pair in halves if pair[0] in vocabulary and pair[1] in vocabulary]
        merges += [(-score, pair) for pair in sorted(known, key=lambda pair: [vocabulary[half] for half in pair])]
    merges = [pair for _, pair in sorted(merges, key=lambda merge: merge[0])]
    model = models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    reference = Tokenizer(model)
    reference.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    keeps = ("<unk>", "<s>", "<|endoftext|>")
    for token, kind in zip(tokens, kinds):
        if kind in (UNKNOWN, CONTROL, USER_DEFINED):
            reference.add_special_tokens([AddedToken(token, normalized=False, rstrip=token not in keeps)])
    return [reference.encode(text, add_special_tokens=False).ids for text in TEXTS]


def digest(tokens):
    """FNV-1a over the ids: they are compared, not looked at, and would take ten times the room."""
    value = 0xCBF29CE484222325
    for byte in b"".join(token.to_bytes(4, "little") for token in tokens):
        value = (value ^ byte) * 0x100000001B3 % (1 << 64)
    return value


def add_cases(writer, name, ids):
    digests = [digest(tokens) for tokens in ids]
    key, kinds = f"cases.{name}", gguf.GGUFValueType
    writer.add_key_value(key, digests, kinds.ARRAY, sub_type=kinds.UINT64)
    if sys.argv[-1] == "--show":
        for text, tokens in zip(TEXTS, ids):
            print(name, repr(text), tokens)


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def start(name):
    return gguf.GGUFWriter(HERE / name, "tokenizer")


def make_byte_pairs():
    learning = Tokenizer(models.BPE())
    learning.pre_tokenizer = PRE_TOKENIZERS["llama-bpe"]
    control = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<s>"]
    trainer = trainers.BpeTrainer(
        vocab_size=4 + 256 + 600, special_tokens=control, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    learning.train_from_iterator(TEXTS, trainer)
    vocabulary = learning.get_vocab()
    tokens = sorted(vocabulary, key=vocabulary.get)
    merges = [" ".join(pair) for pair in json.loads(learning.to_str())["model"]["merges"]]
    tokens.append("<tool>")
    kinds = [CONTROL if token in control else NORMAL for token in tokens]
    kinds[-1] = USER_DEFINED
    writer = start("byte_pairs.gguf")
    writer.add_array("cases.texts", TEXTS)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(tokens.index("<|im_start|>"))
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_chat_template("{{ messages[0].content }}")
    for name in PRE_TOKENIZERS:
        add_cases(writer, name, byte_pairs(tokens, kinds, merges, name))
    finish(writer)


def make_sentence_pieces():
    learnt = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([line for text in TEXTS for line in text.splitlines() if "\0" not in line]),
        model_writer=learnt, model_type="bpe", vocab_size=900, byte_fallback=True, character_coverage=0.98,
        normalization_rule_name="identity", remove_extra_whitespaces=False, user_defined_symbols=["<tool>"],
        allow_whitespace_only_pieces=True, minloglevel=2,
    )
    model = sentencepiece_model_pb2.ModelProto.FromString(learnt.getvalue())
    tokens = [piece.piece for piece in model.pieces]
    scores = [piece.score for piece in model.pieces]
    kinds = [piece.type for piece in model.pieces]
    writer = start("sentence_pieces.gguf")
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    for name, prefix in [("prefixed", True), ("plain", False)]:
        add_cases(writer, name, sentence_pieces(tokens, scores, kinds, prefix))
    finish(writer)


def make_real(folder):
    writer = start("real_vocabularies.gguf")
    for name in REAL:
        fields = gguf.GGUFReader(folder / f"{name}.gguf").fields
        value = lambda key: fields[f"tokenizer.ggml.{key}"].contents()
        tokens, kinds = value("tokens"), [int(kind) for kind in value("token_type")]
        if value("model") == "gpt2":
            ids = byte_pairs(tokens, kinds, value("merges"), value("pre"))
        elif name == "phi-3":
            ids = phi_3(tokens, value("scores"), kinds)
        else:
            prefix = "tokenizer.ggml.add_space_prefix" not in fields or bool(value("add_space_prefix"))
            ids = sentence_pieces(tokens, value("scores"), kinds, prefix)
        add_cases(writer, name, ids)
    finish(writer)


make_byte_pairs()
make_sentence_pieces()
folders = [argument for argument in sys.argv[1:] if argument != "--show"]
if folders:
    make_real(pathlib.Path(folders[0]))
