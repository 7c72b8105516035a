"""Data that the fixtures can be trained on, the same in every run."""

import random

import npz
from headrace import FIXTURES

MLP_CLASSES = 5


# Trains mlp.dynamo.onnx on data.npz of the folder.
MLP_TRAINING = ("train", FIXTURES / "mlp.dynamo.onnx", "--data", "data.npz", "--loss",
                "cross-entropy", "--batch", 16, "--microbatches", 4, "--optimizer", "adam",
                "--threads-per-device", 1)


def write_mlp_data(path, samples, seed=1):
    """Inputs of mlp.*.onnx; the class is the largest of the first five features."""
    draw = random.Random(seed)
    inputs = [draw.gauss(0, 1) for _ in range(16 * samples)]
    rows = [inputs[16 * s : 16 * s + MLP_CLASSES] for s in range(samples)]
    npz.write(path, {"x": ("<f4", (samples, 16), inputs),
                     "target": ("<i8", (samples,), [row.index(max(row)) for row in rows])})
