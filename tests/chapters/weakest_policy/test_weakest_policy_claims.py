"""The thesis of the paper, judged by the checks that it rests on."""

from __future__ import annotations

import pandas as pd

from helpers.chapters import Page
from helpers.chapters.weakest_policy import claims
from helpers.claims.types import Verdict


def theory(**failures):
    names = {
        "exchangeable-only": 0,
        "robustness": 0,
        "weakest-contains-rivals": 5,
        "unequal-atoms": 3,
    } | {key.replace("_", "-"): value for key, value in failures.items()}
    return pd.DataFrame([{"check": k, "cases": 9, "failures": v} for k, v in names.items()])


def test_the_thesis_is_judged_by_its_checks():
    def verdict(**failures):
        frame = theory(**failures)
        claim = Page(claims.CLAIMS, "smoke", "cpu").claim("exchangeability-needed")
        return claim.read(lambda name: frame).verdict

    assert verdict() is Verdict.CONDITIONAL
    assert verdict(robustness=1) is Verdict.REFUTED  # our own theorem would be wrong
    assert verdict(unequal_atoms=0) is Verdict.OPEN  # no counterexample, no condition
