"""Runs the program `headrace` from a Python script."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def program() -> str:
    """$HEADRACE, or the release build of this checkout."""
    path = os.environ.get("HEADRACE", str(ROOT / "build/release/headrace"))
    if not os.access(path, os.X_OK):
        sys.exit(f"{path} is not there: build the preset `release` or set HEADRACE")
    return path


def run(*arguments: object) -> str:
    """Its standard output; ends this script with its message when it fails."""
    command = [program(), *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\nended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def run_json(*arguments: object) -> dict[str, Any]:
    return json.loads(run(*arguments, "--json"))


def peak_of_children() -> int:
    """Largest resident size in bytes of any program run so far."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
