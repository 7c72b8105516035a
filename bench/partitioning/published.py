#!/usr/bin/env python3
"""Solves published instances with `headrace partition` and compares with their published values.

usage: published.py HEADRACE INSTANCES.json [--time-limit S]

INSTANCES.json: [{"costs": "F.json", "devices": N, "stages_per_device": V, "contiguous": true,
"published_ms": X}, ...], with paths relative to it, in the form that `--costs` reads. An answer is
scored again here, from the graph and the assignment alone, and so are order and colocation.
"""

import argparse
import json
import pathlib
import subprocess
import sys


def rescored(costs, row, devices, loops, contiguous):
    device = row["assignment"]
    load = [0.0] * devices
    together = {}
    for node in costs["nodes"]:
        load[device[node["id"]]] += node["seconds"]
        key = node.get("colocate")
        if key is not None and together.setdefault(key, device[node["id"]]) != device[node["id"]]:
            raise SystemExit(f"{row['name']}: nodes of {key} are apart")
    received, sent = {}, {}
    for edge in costs["edges"]:
        home, there = device[edge["from"]], device[edge["to"]]
        if home != there:
            received[edge["from"], there] = edge["seconds"]
    for (node, there), seconds in received.items():
        load[there] += seconds
        if costs.get("communication") != "host" or node not in sent:
            load[device[node]] += seconds
        sent[node] = True
    if contiguous:
        check_order(costs, device, devices, loops, row["name"])
    return max(load)


def check_order(costs, device, devices, loops, name):
    """The earliest stage of each forward node on its device, colocated ones and cycles together."""
    forward = {n["id"] for n in costs["nodes"] if n.get("phase", "F") == "F"}
    group = {n["id"]: str(n.get("colocate", "node " + n["id"])) for n in costs["nodes"]}
    stage = {group[n]: device[n] for n in forward}
    changed = True
    while changed:
        changed = False
        for edge in costs["edges"]:
            if edge["from"] not in forward or edge["to"] not in forward:
                continue
            start, end = group[edge["from"]], group[edge["to"]]
            while stage[end] < stage[start]:
                stage[end] += devices
                changed = True
            if stage[end] >= devices * loops:
                raise SystemExit(f"{name}: {end} is in no stage behind {start}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("headrace")
    parser.add_argument("instances", type=pathlib.Path)
    parser.add_argument("--time-limit", default="30")
    arguments = parser.parse_args()
    worse = 0
    print(f"{'instance':36} {'strategy':10} {'ms':>10} {'published':>10} {'bound':>10} {'s':>8}")
    for instance in json.loads(arguments.instances.read_text()):
        file = arguments.instances.parent / instance["costs"]
        costs = json.loads(file.read_text())
        loops = instance.get("stages_per_device", 1)
        contiguous = instance.get("contiguous", True)
        answer = json.loads(
            subprocess.run(
                [
                    arguments.headrace, "partition", "--json", "--costs", file,
                    "--devices", str(instance["devices"]), "--stages-per-device", str(loops),
                    f"--contiguous={'true' if contiguous else 'false'}",
                    "--time-limit", arguments.time_limit,
                ],
                check=True, capture_output=True, text=True,
            ).stdout
        )
        published = instance["published_ms"]
        title = f"{file.stem} {instance['devices']}x{loops}{'' if contiguous else ' free'}"
        for row in answer["strategies"]:
            found = 1e3 * rescored(costs, row, answer["devices"], loops, contiguous)
            if abs(found - 1e3 * row["bottleneck_s"]) > 1e-6 * found:
                raise SystemExit(f"{row['name']}: says {row['bottleneck_s']} s, it is {found} ms")
            print(
                f"{title:36} {row['name']:10} {found:10.4f} {published:10.4f} "
                f"{1e3 * row['lower_bound_s']:10.4f} {row['solve_s']:8.3f}"
            )
        best = 1e3 * min(row["bottleneck_s"] for row in answer["strategies"])
        worse += best > published * (1 + 2e-6)  # they are printed with four places
    print(f"{worse} worse than published")
    return worse > 0


if __name__ == "__main__":
    sys.exit(main())
