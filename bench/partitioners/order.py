#!/usr/bin/env python3
"""Whether partitioning strategies are as fast, one after another, as was predicted.

    python order.py [--headrace build/release/headrace] [--steps 7] [--rounds 4] [--tie 0.03] CASE.toml...

Each CASE is a run file (model, batch, micro-batches, loss, devices); `headrace bench` runs every strategy
on it, with costs that were measured node by node. The rounds take turns over the cases, and each begins with
another strategy, so that a slow minute of the machine meets all of them; a strategy's step is the median
over rounds. Two strategies whose
predicted steps differ by less than --tie are not told apart. Exits with 1 when a pair came out the other
way round. Only the standard library is needed.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections import defaultdict
from itertools import combinations
from pathlib import Path

STRATEGIES = ["uniform", "parameters", "balanced", "schedule-aware"]


def bench(headrace: str, case: Path, steps: int, scheduler: str, first: int) -> list[dict]:
    strategies = STRATEGIES[first:] + STRATEGIES[:first]
    done = subprocess.run(
        [headrace, "bench", str(case), "--schedulers", scheduler, "--partitioners", ",".join(strategies),
         "--cost", "profile", "--measured-steps", str(steps), "--json"],
        stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout)["schedulers"]


def judge(rows: dict[str, tuple[float, float]], tie: float) -> list[str]:
    """Pairs that were predicted in the other order than they were measured in."""
    wrong = []
    for (one, (one_predicted, one_measured)), (two, (two_predicted, two_measured)) in combinations(
            rows.items(), 2):
        if abs(one_predicted - two_predicted) < tie * min(one_predicted, two_predicted):
            continue
        if (one_predicted < two_predicted) != (one_measured < two_measured):
            wrong.append(f"{one} and {two}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cases", nargs="+", type=Path)
    parser.add_argument("--headrace", default="build/release/headrace")
    parser.add_argument("--scheduler", default="1f1b")
    parser.add_argument("--steps", type=int, default=7)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--tie", type=float, default=0.03)
    arguments = parser.parse_args()

    predicted: dict[tuple[Path, str], float] = {}
    measured: dict[tuple[Path, str], list[float]] = defaultdict(list)
    for turn in range(arguments.rounds):
        for case in arguments.cases:
            for row in bench(arguments.headrace, case, arguments.steps, arguments.scheduler,
                             turn % len(STRATEGIES)):
                if "refused" in row:
                    sys.exit(f"{case}: {row['partitioner']}: {row['refused']}")
                predicted[case, row["partitioner"]] = row["step_s_predicted"]
                measured[case, row["partitioner"]].append(row["step_s"])

    mistakes = 0
    for case in arguments.cases:
        rows = {name: (predicted[case, name], statistics.median(times))
                for (of, name), times in measured.items() if of == case}
        print(f"{case.stem}, {arguments.scheduler}")
        for name, (step, time) in sorted(rows.items(), key=lambda row: row[1][0]):
            print(f"  {name:<16}predicted {1e3 * step:8.2f} ms   measured {1e3 * time:8.2f} ms   "
                  f"{time / step:.2f}")
        wrong = judge(rows, arguments.tie)
        mistakes += len(wrong)
        print("  " + ("in order" if not wrong else "the other way round: " + "; ".join(wrong)))
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
