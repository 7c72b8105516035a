"""Writes the golden lists NAME.P.V.M.csv with the schedules of torch.distributed.pipelining.

P devices, V stages per device, M micro-batches. Idle turns are left out, as our reader leaves them
out. Run it with a Python that has PyTorch (2.10 or newer); the tests only read the files.
"""

from pathlib import Path

from torch.distributed.pipelining import schedules as pt

HERE = Path(__file__).parent


def rows(kind, p, v, m):
    """The compute actions that `kind` makes, without the processes and stages that it is made for."""
    schedule = object.__new__(kind)
    schedule.pp_group_size = p
    schedule._n_microbatches = m
    schedule.n_local_stages = v
    schedule._stages = [None] * v
    schedule.num_stages = schedule._num_stages = p * v
    schedule.number_of_rounds = max(1, m // p)
    schedule.microbatches_per_round = m // schedule.number_of_rounds
    return [[a for a in schedule._calculate_single_rank_operations(r) if a] for r in range(p)]


def write(name, kind, p, v, m):
    text = "".join(",".join(map(str, row)) + "\n" for row in rows(kind, p, v, m))
    (HERE / f"{name}.{p}.{v}.{m}.csv").write_text(text)


if __name__ == "__main__":
    write("interleaved", pt.ScheduleInterleaved1F1B, 4, 2, 10)
    write("interleaved", pt.ScheduleInterleaved1F1B, 4, 3, 3)
    write("zb-v", pt.ScheduleZBVZeroBubble, 3, 2, 3)
    write("zb-v", pt.ScheduleZBVZeroBubble, 3, 2, 7)
    write("dualpipe-v", pt.ScheduleDualPipeV, 2, 2, 4)
    write("dualpipe-v", pt.ScheduleDualPipeV, 3, 2, 8)
