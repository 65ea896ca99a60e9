"""The forward pass of Llama and Gemma 3 in float32, on weights that the `gguf` package dequantizes."""

import gguf
import numpy

# Queries whose scores are computed at once.
ROWS = 512


class Model:
    """A model of a GGUF file, all of its weights in float32."""

    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        self.fields = {name: field.contents() for name, field in reader.fields.items() if "tokenizer" not in name}
        self.family = self.fields["general.architecture"]
        assert self.family in ("llama", "gemma3"), self.family
        self.tensors = {tensor.name: gguf.dequantize(tensor.data, tensor.tensor_type) for tensor in reader.tensors}
        self.layers = self.number("block_count")
        self.width = self.number("embedding_length")
        self.heads = self.number("attention.head_count")
        self.key_heads = self.number("attention.head_count_kv")
        self.size = self.number("attention.key_length", self.width // self.heads)
        self.epsilon = self.number("attention.layer_norm_rms_epsilon")
        self.base = self.number("rope.freq_base", 10_000.0)
        self.window = self.number("attention.sliding_window", None)

    def number(self, key, *default):
        name = f"{self.family}.{key}"
        return self.fields.get(name, *default) if default else self.fields[name]

    def logits(self, tokens, first):
        """The logits after each token from the one at `first` on."""
        embedding = self.tensors["token_embd.weight"]
        rows = embedding[numpy.asarray(tokens)].astype(numpy.float32)
        if self.family == "gemma3":
            rows = rows * numpy.float32(self.width**0.5)
        for layer in range(self.layers):
            rows = rows + self.attention(layer, rows)
            rows = rows + self.feed_forward(layer, rows)
        head = self.tensors.get("output.weight", embedding)
        return self.norm(rows[first:], "output_norm") @ head.T

    def attention(self, layer, rows):
        # Five of six layers of Gemma 3 see only a window, and turn by a base of their own.
        windowed = self.family == "gemma3" and (layer + 1) % 6 != 0
        base = 10_000.0 if windowed else self.base
        normed = self.norm(rows, f"blk.{layer}.attn_norm")
        split = lambda name, heads: self.product(layer, name, normed).reshape(len(rows), heads, self.size)
        query, key = split("attn_q", self.heads), split("attn_k", self.key_heads)
        value = split("attn_v", self.key_heads)
        if self.family == "gemma3":
            query = self.norm(query, f"blk.{layer}.attn_q_norm")
            key = self.norm(key, f"blk.{layer}.attn_k_norm")
        query, key = self.turn(query, base), self.turn(key, base)
        joined = numpy.empty_like(query)
        positions = numpy.arange(len(rows))
        for head in range(self.heads):
            shared = head // (self.heads // self.key_heads)
            for start in range(0, len(rows), ROWS):
                part = slice(start, min(start + ROWS, len(rows)))
                scores = query[part, head] @ key[: part.stop, shared].T / numpy.float32(self.size**0.5)
                back = positions[part, None] - positions[None, : part.stop]
                unseen = (back < 0) | (back >= self.window if windowed else False)
                scores[unseen] = -numpy.inf
                weights = numpy.exp(scores - scores.max(axis=1, keepdims=True))
                weights /= weights.sum(axis=1, keepdims=True)
                joined[part, head] = weights @ value[: part.stop, shared]
        result = self.product(layer, "attn_output", joined.reshape(len(rows), -1))
        if self.family == "gemma3":
            result = self.norm(result, f"blk.{layer}.post_attention_norm")
        return result

    def feed_forward(self, layer, rows):
        normed = self.norm(rows, f"blk.{layer}.ffn_norm")
        gate, up = self.product(layer, "ffn_gate", normed), self.product(layer, "ffn_up", normed)
        if self.family == "gemma3":
            inner = numpy.float32((2 / numpy.pi) ** 0.5) * (gate + numpy.float32(0.044715) * gate**3)
            activated = gate / 2 * (1 + numpy.tanh(inner))
        else:
            activated = gate / (1 + numpy.exp(-gate))
        result = self.product(layer, "ffn_down", activated * up)
        if self.family == "gemma3":
            result = self.norm(result, f"blk.{layer}.post_ffw_norm")
        return result

    def product(self, layer, name, rows):
        return rows @ self.tensors[f"blk.{layer}.{name}.weight"].T

    def norm(self, rows, name):
        square = numpy.mean(rows.astype(numpy.float64) ** 2, axis=-1, keepdims=True)
        factor = (1 / numpy.sqrt(square + self.epsilon)).astype(numpy.float32)
        return rows * factor * self.tensors[f"{name}.weight"]

    def turn(self, rows, base):
        """Turns pairs of values: neighbours in files of Llama, halves in those of Gemma."""
        pairs = self.size // 2
        angles = numpy.arange(len(rows))[:, None, None] * base ** (-numpy.arange(pairs) / pairs)
        cosine, sine = numpy.cos(angles).astype(numpy.float32), numpy.sin(angles).astype(numpy.float32)
        one, other = (rows[..., ::2], rows[..., 1::2]) if self.family == "llama" else numpy.split(rows, 2, axis=-1)
        turned = one * cosine - other * sine, one * sine + other * cosine
        if self.family == "llama":
            return numpy.stack(turned, axis=-1).reshape(rows.shape)
        return numpy.concatenate(turned, axis=-1)
