"""Inputs for the models that other people trained, as close to real use as a script can make them."""

import numpy

# Digits in five by seven dots, one number a row.
GLYPHS = {
    "0": (14, 17, 19, 21, 25, 17, 14),
    "1": (4, 12, 4, 4, 4, 4, 14),
    "2": (14, 17, 1, 2, 4, 8, 31),
    "3": (31, 2, 4, 2, 1, 17, 14),
    "4": (2, 6, 10, 18, 31, 2, 2),
    "5": (31, 16, 30, 1, 1, 17, 14),
    "6": (6, 8, 16, 30, 17, 17, 14),
    "7": (31, 1, 2, 4, 8, 8, 8),
    "8": (14, 17, 17, 14, 17, 17, 14),
    "9": (14, 17, 17, 15, 1, 2, 12),
}
SAMPLE_RATE = 16_000
VAD_CHUNK = 512
VAD_CONTEXT = 64


def ocr_detector_feeds():
    yield {"x": _photos(["1897"], height=64, width=128, mean=(0.485, 0.456, 0.406), spread=(0.229, 0.224, 0.225))}
    texts = ["2026", "314", "77"]
    yield {"x": _photos(texts, height=64, width=96, mean=(0.485, 0.456, 0.406), spread=(0.229, 0.224, 0.225))}


def ocr_recogniser_feeds():
    half = (0.5, 0.5, 0.5)
    yield {"x": _photos(["1897"], height=48, width=128, mean=half, spread=half)}
    yield {"x": _photos(["2026", "314", "77"], height=48, width=96, mean=half, spread=half)}


def ocr_classifier_feeds():
    half = (0.5, 0.5, 0.5)
    upright = _photos(["1897", "2026", "47"], height=48, width=192, mean=half, spread=half)
    yield {"x": upright[:1]}
    upside_down = upright[:, :, ::-1, ::-1]
    yield {"x": numpy.ascontiguousarray(numpy.concatenate([upright[1:], upside_down[:1]]))}


def _photos(texts, height, width, mean, spread):
    """Dark digits on light, unevenly lit, slightly noisy paper, as planes of normalised colour."""
    generator = numpy.random.default_rng(len(texts) * 1000 + width)
    mean = numpy.array(mean).reshape(3, 1, 1)
    spread = numpy.array(spread).reshape(3, 1, 1)
    images = []
    for text in texts:
        light = numpy.linspace(235, 205, width).reshape(1, width) + numpy.linspace(0, -15, height).reshape(height, 1)
        ink = _draw(text, height, width)
        tint = numpy.array([1.0, 0.98, 0.94]).reshape(3, 1, 1)
        picture = (light * (1 - ink) + 35 * ink) * tint + generator.normal(0, 3, (3, height, width))
        pixels = numpy.clip(numpy.rint(picture), 0, 255)
        images.append((pixels / 255 - mean) / spread)
    return numpy.stack(images).astype(numpy.float32)


def _draw(text, height, width):
    scale = max(1, min(height * 7 // 10 // 7, width // (6 * len(text) + 2)))
    dots = numpy.zeros((7, 6 * len(text) - 1))
    for index, character in enumerate(text):
        for row, bits in enumerate(GLYPHS[character]):
            for column in range(5):
                dots[row, 6 * index + column] = bits >> (4 - column) & 1
    drawn = numpy.kron(dots, numpy.ones((scale, scale)))
    ink = numpy.zeros((height, width))
    top = (height - drawn.shape[0]) // 2
    left = (width - drawn.shape[1]) // 2
    ink[top : top + drawn.shape[0], left : left + drawn.shape[1]] = drawn
    return ink


def sentence_encoder_feeds():
    """Token ids of short English sentences in BERT's uncased vocabulary: [CLS] is 101, [SEP] 102, padding 0."""
    hello_world = [101, 7592, 2088, 102]
    an_example = [101, 2023, 2003, 2019, 2742, 6251, 102]
    each_converted = [101, 2169, 6251, 2003, 4991, 102]
    yield _token_feeds([hello_world])
    yield _token_feeds([an_example])
    yield _token_feeds([hello_world, an_example, each_converted])


def _token_feeds(sentences):
    length = max(len(sentence) for sentence in sentences)
    ids = numpy.zeros((len(sentences), length), dtype=numpy.int64)
    mask = numpy.zeros_like(ids)
    for row, sentence in enumerate(sentences):
        ids[row, : len(sentence)] = sentence
        mask[row, : len(sentence)] = 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": numpy.zeros_like(ids)}


def voice_feeds(run):
    """Two consecutive chunks of one voice, the second with the state that the first left, then three voices at once."""
    sample_rate = numpy.array(SAMPLE_RATE, dtype=numpy.int64)
    voice = _voice(pitch=120.0, seconds=0.4, seed=21)
    feeds = {"input": _chunk(voice, 3), "state": numpy.zeros((2, 1, 128), dtype=numpy.float32), "sr": sample_rate}
    yield feeds
    state = dict(run(feeds))["stateN"]
    yield {"input": _chunk(voice, 4), "state": state, "sr": sample_rate}
    quiet = numpy.random.default_rng(22).normal(0, 0.002, len(voice)).astype(numpy.float32)
    voices = [voice, _voice(pitch=210.0, seconds=0.4, seed=23), quiet]
    yield {
        "input": numpy.concatenate([_chunk(audio, 5) for audio in voices]),
        "state": numpy.zeros((2, 3, 128), dtype=numpy.float32),
        "sr": sample_rate,
    }


def _voice(pitch, seconds, seed):
    """A vowel: harmonics of the pitch, louder near two formants, swelling four times a second, with breath noise."""
    generator = numpy.random.default_rng(seed)
    time = numpy.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    phase = 2 * numpy.pi * numpy.cumsum(pitch * (1 + 0.02 * numpy.sin(2 * numpy.pi * 5 * time))) / SAMPLE_RATE
    audio = numpy.zeros_like(time)
    for harmonic in range(1, 30):
        frequency = harmonic * pitch
        loudness = numpy.exp(-(((frequency - 700) / 220) ** 2)) + 0.6 * numpy.exp(-(((frequency - 1200) / 260) ** 2))
        audio += (loudness + 0.02) * numpy.sin(harmonic * phase)
    audio *= 0.6 + 0.4 * numpy.sin(2 * numpy.pi * 4 * time)
    audio += generator.normal(0, 0.02, len(time))
    return (0.3 * audio / numpy.abs(audio).max()).astype(numpy.float32)


def _chunk(audio, index):
    """The model wants each chunk with the last samples of the one before it in front."""
    start = index * VAD_CHUNK
    return audio[start - VAD_CONTEXT : start + VAD_CHUNK].reshape(1, VAD_CONTEXT + VAD_CHUNK)
