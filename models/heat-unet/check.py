#!/usr/bin/env python3
"""Compares a trained heat-unet with the solver on the test plates.

    python3 check.py [MODEL] [HEADRACE]

MODEL is heat-unet-trained.onnx beside this file, HEADRACE the program (build/release/headrace of this
checkout). Prints the error relative to the temperatures (L2 over all plates) of the network and of two
simple guesses.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import heat
import numpy as np

HERE = Path(__file__).resolve().parent


def step(model: Path, program: str, u: np.ndarray, k: np.ndarray) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        inputs, outputs = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(inputs, state=np.stack((u, k), axis=1).astype(np.float32))
        subprocess.run([program, "run", model, "--inputs", inputs, "--outputs", outputs], check=True,
                       stdout=subprocess.DEVNULL)
        with np.load(outputs) as arrays:
            return arrays["next"][:, 0].astype(np.float64)


def error(found: np.ndarray, expected: np.ndarray) -> str:
    return f"{np.linalg.norm(found - expected) / np.linalg.norm(expected):.4f}"


if __name__ == "__main__":
    model = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "heat-unet-trained.onnx"
    program = sys.argv[2] if len(sys.argv) > 2 else str(HERE.parents[1] / "build/release/headrace")
    u, k = heat.draw(512, seed=2)
    solved = heat.leap(u, k)
    print(f"relative error: network {error(step(model, program, u, k), solved)}, "
          f"no change {error(u, solved)}, conductivity ignored "
          f"{error(heat.leap(u, np.full_like(k, k.mean())), solved)}")
