"""What the chapter works out from the table of rescaled networks."""

from __future__ import annotations

import numpy as np
import pandas as pd


def above_flattest(frame: pd.DataFrame) -> pd.Series:
    """Return by which share each network's trace exceeds the lowest on each of its two curves.

    `frame` is the table `reparameterisation`. The curve β⁻² t₁ + β² t₂ + t₃ is fitted to the
    measured traces by least squares of relative errors; its lowest value is t₃ + 2√(t₁t₂).
    """
    curves = frame.groupby(["n", "network", "transformation"])
    return curves[["factor", "hessian_trace"]].apply(_above_flattest)


def _above_flattest(curve: pd.DataFrame) -> float:
    square, trace = curve["factor"].to_numpy() ** 2, curve["hessian_trace"].to_numpy()
    terms = np.column_stack([1 / square, square, np.ones_like(square)]) / trace[:, None]
    first, second, rest = np.linalg.lstsq(terms, np.ones_like(trace))[0]
    lowest = rest + 2 * np.sqrt(max(first * second, 0))
    return float(trace[square == 1][0] / lowest - 1)
