#!/usr/bin/env python3
"""Accuracy of a trained classifier in onnxruntime, on IDX images and labels.

    python check_accuracy.py build/demo/fashion-cnn-trained.onnx /usr/share/datasets/fashion-mnist/t10k

Prints the share of right answers, to hold against the accuracy that `headrace train` printed.
"""

import gzip
import sys

import numpy as np
import onnxruntime


def read_idx(path: str, header: int) -> np.ndarray:
    with gzip.open(path, "rb") as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)


if __name__ == "__main__":
    model, prefix = sys.argv[1:3]
    labels = read_idx(f"{prefix}-labels-idx1-ubyte.gz", 8)
    images = read_idx(f"{prefix}-images-idx3-ubyte.gz", 16).reshape(len(labels), 1, 28, 28)
    session = onnxruntime.InferenceSession(model)
    right = 0
    for first in range(0, len(labels), 500):
        batch = images[first:first + 500].astype(np.float32) / 255
        scores = session.run(None, {session.get_inputs()[0].name: batch})[0]
        right += int((scores.argmax(1) == labels[first:first + 500]).sum())
    print(f"{right} of {len(labels)}: {100 * right / len(labels):.2f} %")
