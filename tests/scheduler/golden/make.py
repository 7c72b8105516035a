"""Writes the golden schedules beside it with the communication pass of torch.distributed.pipelining.

Each NAME.csv holds compute actions, NAME.lowered.csv what PyTorch makes of them. Idle turns are
dropped before the pass, as our reader drops them. NAME.steps.csv is its step simulation, NAME.full.csv
all of its passes, as it writes them itself. Run it with a Python that has PyTorch (2.6 or
newer); the tests only read the files.
"""

import csv
from pathlib import Path

from torch.distributed.pipelining import schedules as pt

HERE = Path(__file__).parent


def one_f_one_b(p, m):
    rows = []
    for r in range(p):
        warm = min(p - 1 - r, m)
        row = [f"{r}F{i}" for i in range(warm)]
        for i in range(m - warm):
            row += [f"{r}F{warm + i}", f"{r}B{i}"]
        rows.append(row + [f"{r}B{i}" for i in range(m - warm, m)])
    return rows


def breadth_first(p, v, m):
    return [
        [f"{s}F{i}" for s in range(r, p * v, p) for i in range(m)]
        + [f"{s}B{i}" for s in reversed(range(r, p * v, p)) for i in range(m)]
        for r in range(p)
    ]


def split_v(p, m):
    """GPipe over a V placement with two stages per device; every I is followed by its W."""
    rows = []
    for r in range(p):
        late = 2 * p - 1 - r
        row = [f"{s}F{i}" for s in (r, late) for i in range(m)]
        rows.append(row + [f"{s}{k}{i}" for s in (late, r) for i in range(m) for k in "IW"])
    return rows


def overlapped():
    """Two devices, V placement, one overlapped pair on each."""
    return [
        "0F0 0F1 3F0 3B0 (3F1;0B0)OVERLAP_F_B 3B1 0B1".split(),
        "1F0 2F0 1F1 2F1 2B0 1B0 2B1 1B1".split(),
    ]


def write(name, rows, stage_to_rank, stages):
    (HERE / f"{name}.csv").write_text("".join(",".join(row) + "\n" for row in rows))
    actions = {r: [pt._Action.from_str(cell) for cell in row] for r, row in enumerate(rows)}
    lowered = pt._add_send_recv(actions, stage_to_rank, stages)
    text = "".join(",".join(str(a) for a in lowered[r]) + "\n" for r in range(len(rows)))
    (HERE / f"{name}.lowered.csv").write_text(text)
    if any("OVERLAP" in cell for row in rows for cell in row):
        return  # its simulation refuses overlapped pairs
    steps = pt._simulate_comms_compute(lowered, stage_to_rank, stages)
    text = "".join(",".join(str(a or "") for a in steps[r]) + "\n" for r in range(len(rows)))
    (HERE / f"{name}.steps.csv").write_text(text)


def write_full(name, rows, stage_to_rank, stages, microbatches):
    actions = {}
    for r, row in enumerate(rows):
        cells = [pt._Action.from_str(cell) for cell in row]
        cells = pt._add_unshard_reshard(cells)
        actions[r] = pt._add_reduce_grad(cells, microbatches)
    actions = pt._add_wait_send(pt._add_send_recv(actions, stage_to_rank, stages))
    with open(HERE / f"{name}.full.csv", "w", newline="") as file:
        csv.writer(file).writerows(actions[r] for r in range(len(rows)))


write("1f1b", one_f_one_b(4, 6), lambda s: s, 4)
write("breadth-first", breadth_first(3, 2, 4), lambda s: s % 3, 6)
write("split-v", split_v(3, 3), lambda s: min(s, 5 - s), 6)
write_full("breadth-first", breadth_first(3, 2, 4), lambda s: s % 3, 6, 4)
write("overlapped", overlapped(), lambda s: min(s, 3 - s), 4)
