#!/usr/bin/env python3
"""The shipped models over processes: the same bits as in one, under every scheduler, and the step's time.

    python check.py [--headrace build/release/headrace] [--steps 6] [--timed-steps 30]

Needs mpirun, the plugin mpi, and char-gpt's data (models/char-gpt/prepare.py); Python's standard
library otherwise. Prints a table; ends with 1 when
any weights differ.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
MODELS = ("fashion-cnn", "char-gpt")

# Stages per device of schedulers that are made for more than one.
LOOPED = {"breadth-first": 2, "interleaved": 2, "hybrid": 2, "zb-v": 2, "v-half": 2, "v-min": 2,
          "dualpipe-v": 2}


def train(arguments, model, devices, scheduler, steps, folder, processes=None):
    start = [] if processes is None else ["mpirun", "--oversubscribe", "-n", str(processes)]
    done = subprocess.run(
        [*start, arguments.headrace, "train", ROOT / f"models/{model}/run.toml",
         "-o", f"devices=cpu:{devices}", "-o", f"stages-per-device={LOOPED.get(scheduler, 1)}",
         "-o", f"scheduler={scheduler}", "-o", f"steps={steps}", "-o", "threads-per-device=1",
         "-o", "eval=", "-o", "microbatches=8", "--output", folder / "trained.onnx", "--json"],
        capture_output=True, text=True, env=ENVIRONMENT, cwd=folder)
    if done.returncode != 0:
        raise SystemExit(f"{model} {scheduler} on {processes} processes: {done.stderr[-600:]}")
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--headrace", type=pathlib.Path, default=ROOT / "build/release/headrace")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--timed-steps", type=int, default=30)
    arguments = parser.parse_args()
    arguments.headrace = arguments.headrace.resolve()
    listed = json.loads(subprocess.run([arguments.headrace, "plugins", "--json"],
                                       capture_output=True, text=True, check=True).stdout)
    schedulers = [plugin["name"] for plugin in listed
                  if plugin["kind"] == "scheduler" and plugin["name"] != "csv"]
    failed = False
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for model in MODELS:
            for scheduler in schedulers:
                found = []
                for devices in (2, 4):
                    alone = train(arguments, model, devices, scheduler, arguments.steps, folder)
                    apart = train(arguments, model, devices, scheduler, arguments.steps, folder,
                                  processes=devices)
                    same = (alone["weights_sha256"], alone["losses"]) == (apart["weights_sha256"],
                                                                         apart["losses"])
                    failed = failed or not same
                    found.append(f"-n {devices} {'same' if same else 'DIFFERENT'}")
                print(f"{model:12} {scheduler:14} {'  '.join(found)}", flush=True)
        for model in MODELS:
            for scheduler in ("1f1b", "breadth-first"):
                alone = train(arguments, model, 2, scheduler, arguments.timed_steps, folder)["step_s"]
                apart = train(arguments, model, 2, scheduler, arguments.timed_steps, folder,
                              processes=2)["step_s"]
                print(f"{model:12} {scheduler:14} step {alone * 1e3:.1f} ms in one process, "
                      f"{apart * 1e3:.1f} ms in two: {apart / alone:.3f} times", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
