"""Data that the fixtures can be trained on, the same in every run."""

import random

import npz

MLP_CLASSES = 5


def write_mlp_data(path, samples, seed=1):
    """Inputs of mlp.*.onnx; the class is the largest of the first five features."""
    draw = random.Random(seed)
    inputs = [draw.gauss(0, 1) for _ in range(16 * samples)]
    rows = [inputs[16 * s : 16 * s + MLP_CLASSES] for s in range(samples)]
    npz.write(path, {"x": ("<f4", (samples, 16), inputs),
                     "target": ("<i8", (samples,), [row.index(max(row)) for row in rows])})
