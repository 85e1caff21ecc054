"""How far above the flattest point of its curve a network lies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from helpers.chapters.reparameterisation.analysis import above_flattest


def curve(first: float, second: float, rest: float, network: int) -> pd.DataFrame:
    factor = np.array([1.0, 2.0, 5.0])
    return pd.DataFrame(
        {
            "n": 500,
            "network": network,
            "transformation": "T_beta",
            "factor": factor,
            "hessian_trace": first / factor**2 + second * factor**2 + rest,
        }
    )


def test_a_network_at_its_flattest_point_is_not_above_it() -> None:
    found = above_flattest(pd.concat([curve(3, 3, 1, network=0), curve(16, 1, 2, network=5)]))
    assert found[500, 0, "T_beta"] == pytest.approx(0, abs=1e-9)
    assert found[500, 5, "T_beta"] == pytest.approx(19 / 10 - 1)
