"""Samples per second that PyTorch trains on one thread of the processor.

    torch_training.py mlp|cnn IMAGES LABELS EPOCHS

IMAGES and LABELS are IDX files of 28x28 pictures in ten classes. The networks, the batch size and the optimizer are those
of crates/yard-training/examples/speed.rs. Runs where torch is installed; `cargo xtask bench training` calls it.
"""

import json
import sys
import time

import numpy
import torch
from torch import nn

BATCH = 64


def network(which):
    if which == "mlp":
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 7 * 7, 64), nn.ReLU(), nn.Linear(64, 10),
    )


def read(images, labels):
    pixels = numpy.fromfile(images, dtype=numpy.uint8, offset=16).reshape(-1, 1, 28, 28)
    classes = numpy.fromfile(labels, dtype=numpy.uint8, offset=8)
    assert len(pixels) == len(classes), (len(pixels), len(classes))
    return torch.from_numpy(pixels.astype(numpy.float32) / 255), torch.from_numpy(classes.astype(numpy.int64))


def train(model, optimizer, pixels, classes, epochs):
    """Gives the accuracy of the last epoch's steps, each before its own change."""
    loss_of = nn.CrossEntropyLoss()
    for _ in range(epochs):
        right = 0
        order = torch.randperm(len(classes))
        for start in range(0, len(classes), BATCH):
            rows = order[start : start + BATCH]
            answer = model(pixels[rows])
            loss = loss_of(answer, classes[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            right += int((answer.detach().argmax(1) == classes[rows]).sum())
    return right / len(classes)


def main(which, images, labels, epochs):
    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    torch.manual_seed(1)
    pixels, classes = read(images, labels)
    model = network(which)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    # An epoch that is not counted, as on the other side.
    train(model, optimizer, pixels, classes, 1)
    begin = time.perf_counter()
    accuracy = train(model, optimizer, pixels, classes, int(epochs))
    seconds = time.perf_counter() - begin
    print(json.dumps({"samples_per_second": len(classes) * int(epochs) / seconds, "accuracy": accuracy}))


main(*sys.argv[1:])
