#!/usr/bin/env python3
"""Makes the data of heat-unet by solving the heat equation: 4,096 plates to train on, 512 to test.

    python3 prepare.py [FOLDER]

FOLDER is data/ beside this file unless given; train/ and test/ below it hold state.npy (temperature
and conductivity) and target.npy (the temperature after the step), in float32. Needs numpy.
"""

import sys
from pathlib import Path

import heat
import numpy as np


def write(folder: Path, samples: int, seed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    u, k = heat.draw(samples, seed)
    np.save(folder / "state.npy", np.stack((u, k), axis=1).astype(np.float32))
    np.save(folder / "target.npy", heat.leap(u, k)[:, None].astype(np.float32))
    print(f"{folder}: {samples} plates")


if __name__ == "__main__":
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent / "data"
    write(data / "train", 4096, seed=1)
    write(data / "test", 512, seed=2)
