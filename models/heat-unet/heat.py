"""The two-dimensional heat equation du/dt = div(k grad u) on a square plate whose rim is kept at 0."""

import numpy as np

GRID = 32  # cells along a side, each of width 1
STEP = 4.0  # time that the network is to leap over; heat spreads over about 4 cells in it
SUBSTEPS = 20  # of the solver: 4 / 20 = 0.2, stable below 1/4 for conductivities up to 1


def leap(u: np.ndarray, k: np.ndarray) -> np.ndarray:
    """u after STEP, by explicit finite volumes. u, k: [N, GRID, GRID], k in (0, 1]."""
    # Conductivity between neighbours: the harmonic mean, so that an insulating cell insulates. The rim
    # lies half a cell outside.
    row_face = 2 * k[:, 1:] * k[:, :-1] / (k[:, 1:] + k[:, :-1])
    column_face = 2 * k[:, :, 1:] * k[:, :, :-1] / (k[:, :, 1:] + k[:, :, :-1])
    u = u.copy()
    for _ in range(SUBSTEPS):
        change = np.zeros_like(u)
        flux = row_face * (u[:, 1:] - u[:, :-1])
        change[:, :-1] += flux
        change[:, 1:] -= flux
        flux = column_face * (u[:, :, 1:] - u[:, :, :-1])
        change[:, :, :-1] += flux
        change[:, :, 1:] -= flux
        for rim in (np.s_[:, 0], np.s_[:, -1], np.s_[:, :, 0], np.s_[:, :, -1]):
            change[rim] -= k[rim] * u[rim]
        u += STEP / SUBSTEPS * change
    return u


def draw(samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Hot and cold spots on plates with badly conducting patches: u and k, [samples, GRID, GRID]."""
    random = np.random.default_rng(seed)
    place = np.arange(GRID) + 0.5
    u = np.zeros((samples, GRID, GRID))
    k = np.ones((samples, GRID, GRID))
    for _ in range(6):
        row, column = random.uniform(0, GRID, (2, samples, 1))
        width = random.uniform(1.5, 5, (samples, 1))
        height = random.uniform(-1, 1, (samples, 1, 1))
        u += height * (np.exp(-((place - row) / width) ** 2)[:, :, None]
                       * np.exp(-((place - column) / width) ** 2)[:, None, :])
    for _ in range(4):
        row, column = random.uniform(0, GRID, (2, samples, 1))
        half_rows, half_columns = random.uniform(1, 7, (2, samples, 1))
        inside = ((np.abs(place - row) < half_rows)[:, :, None]
                  & (np.abs(place - column) < half_columns)[:, None, :])
        k = np.where(inside, random.uniform(0.05, 0.5, (samples, 1, 1)), k)
    return u, k
