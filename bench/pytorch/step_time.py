#!/usr/bin/env python3
"""Time of a training step and peak memory: Headrace beside PyTorch, in one run.

    python step_time.py [--device cpu:1] [--models resnet18_32,resnet18,gpt_small] [--steps 12] [--rounds 3]

Each measurement is a process of its own; the engines take turns, so that a slow minute of the machine
meets all of them. AdamW (fused), one fixed batch. On the CPU both have one thread, and PyTorch runs eager,
and channels_last for images. On a GPU (`--device cuda:0`) PyTorch runs eager and compiled, channels_last for
images; both in bfloat16 with f32 parameters (autocast), and memory is the device's.
Times are medians over all steps after the first two. Prints a table and, with --json FILE, the figures.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RATE, WARM_UP = 1e-4, 2


def torch_worker(name: str, engine: str, steps: int, device: str) -> dict:
    """Runs in a process of its own: its peak memory is the result's."""
    import torch
    import zoo
    torch.set_num_threads(1)
    on_gpu = not device.startswith("cpu")
    model = zoo.MODELS[name]
    module = model.build().train().to("cuda" if on_gpu else "cpu")
    inputs, target = (tensor.to("cuda" if on_gpu else "cpu")
                      for tensor in model.draw(torch.Generator().manual_seed(2)))
    if engine == "channels_last" or on_gpu and not model.tokens:
        module = module.to(memory_format=torch.channels_last)
        inputs = inputs.contiguous(memory_format=torch.channels_last)
    if engine == "compiled":
        module = torch.compile(module)
    optimizer = torch.optim.AdamW(module.parameters(), RATE, fused=True)
    times = []
    for _ in range(WARM_UP + steps):
        start = time.perf_counter()
        optimizer.zero_grad()
        with torch.autocast("cuda", torch.bfloat16, enabled=on_gpu):
            logits = module(inputs)
        loss = zoo.loss_of(logits.float(), target)
        loss.backward()
        optimizer.step()
        loss.item()
        times.append(time.perf_counter() - start)
    if on_gpu:
        return {"step_s": statistics.median(times[WARM_UP:]),
                "peak_bytes": torch.cuda.max_memory_allocated()}
    return {"step_s": statistics.median(times[WARM_UP:]),
            "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def run_torch(name: str, engine: str, steps: int, device: str) -> dict:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, __file__, "--worker", name, engine, str(steps), device],
                          env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def run_headrace(path: Path, data: Path, batch: int, steps: int, device: str) -> dict:
    """Through a small process in between, whose only child is the one to be measured."""
    import headrace
    on_gpu = not device.startswith("cpu")
    peak = "r['peak_bytes'][0]" if on_gpu else "headrace.peak_of_children()"
    script = ("import json, headrace, sys; r = headrace.run_json(*sys.argv[1:]); "
              f"print(json.dumps({{'step_s': r['step_s'], 'peak_bytes': {peak}}}))")
    arguments = ["train", path, "--data", data, "--no-shuffle", "--steps", WARM_UP + steps, "--batch",
                 batch, "--loss", "cross-entropy:logits:target", "--optimizer", "adamw", "--lr", RATE,
                 "--devices", device, "--threads-per-device", 1, "--output",
                 path.with_name("trained.onnx")]
    if on_gpu:
        arguments += ["--precision", "bf16"]
    headrace.program()  # says so when there is none
    done = subprocess.run([sys.executable, "-c", script, *map(str, arguments)],
                          cwd=Path(__file__).resolve().parent, stdout=subprocess.PIPE, check=True,
                          text=True)
    return json.loads(done.stdout.splitlines()[-1])


def prepare(name: str, folder: Path) -> tuple[Path, Path]:
    """Exports the model and writes its batch, over which Headrace then runs again and again."""
    import numpy as np
    import torch
    import zoo
    from exporters import export
    model = zoo.MODELS[name]
    inputs, target = model.draw(torch.Generator().manual_seed(2))
    path = export(model.build(), inputs[:2], model.input, folder / "model.onnx",
                  "plain" if model.batch_norm else "dynamo")
    data = folder / "batch.npz"
    np.savez(data, **{model.input: inputs.numpy()}, target=target.numpy())
    return path, data


def measure(name: str, steps: int, rounds: int, device: str) -> dict[str, dict]:
    import zoo
    model = zoo.MODELS[name]
    if device.startswith("cpu"):
        engines = ["eager"] + ([] if model.tokens else ["channels_last"])
    else:
        engines = ["eager", "compiled"]
    results: dict[str, list[dict]] = {engine: [] for engine in ["headrace", *engines]}
    with tempfile.TemporaryDirectory() as temporary:
        path, data = prepare(name, Path(temporary))
        for _ in range(rounds):
            for engine in engines:
                results[engine].append(run_torch(name, engine, steps, device))
            results["headrace"].append(run_headrace(path, data, model.batch, steps, device))
    return {engine: {"step_s": statistics.median(r["step_s"] for r in rows),
                     "peak_bytes": max(r["peak_bytes"] for r in rows)}
            for engine, rows in results.items()}


def print_table(figures: dict[str, dict[str, dict]]) -> None:
    print("| model | engine | step, ms | of PyTorch | peak, MB | of PyTorch |\n|---|---|---|---|---|---|")
    for name, engines in figures.items():
        torch_engines = [row for engine, row in engines.items() if engine != "headrace"]
        best = min(torch_engines, key=lambda row: row["step_s"])
        least = min(row["peak_bytes"] for row in torch_engines)
        for engine, row in engines.items():
            print(f"| {name} | {engine} | {row['step_s'] * 1e3:.1f} | {row['step_s'] / best['step_s']:.2f} | "
                  f"{row['peak_bytes'] / 1e6:.0f} | {row['peak_bytes'] / least:.2f} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        print(json.dumps(torch_worker(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])))
        sys.exit()
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu:1")
    parser.add_argument("--models", default="resnet18_32,resnet18,gpt_small")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    figures = {name: measure(name, arguments.steps, arguments.rounds, arguments.device)
               for name in arguments.models.split(",")}
    print_table(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
