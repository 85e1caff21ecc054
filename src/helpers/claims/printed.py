"""Make claims out of a table of correlations that the paper prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd

from helpers.claims.correlations import RULE_EFFECT, RULE_NULL, RULE_OUTPERFORMS, Family
from helpers.claims.types import Claim, Load, Measured, Reading, Verdict
from helpers.page.reported import reported_value
from helpers.statistics import mean_estimate

CLOSE, NEAR = 1.0, 3.0  # percentage points of mean test accuracy


@dataclass(frozen=True)
class PrintedTable:
    """A table of the paper, each measure a row, beside our table of the same networks.

    where: its name in the paper. key: its name in `helpers.page.reported`. names: our measures,
    each with the paper's name for it. table: ours, in results/. p_format: how the paper rounds p.
    """

    where: str
    key: str
    names: Mapping[str, str]
    table: str
    p_format: str = ".2g"

    @property
    def family(self) -> Family:
        """Return our table with its measures, to be read."""
        return Family(self.table, tuple(self.names))

    def rho(self, measure: str, column: str = "rho") -> float:
        """Return what the paper prints for one of our measures."""
        return reported_value(self.key, column, measure=self.names[measure])

    def frame(self) -> pd.DataFrame:
        """Return the paper's ρ and p, a row for each of our measures."""
        rows = {name: [self.rho(name), self.rho(name, "p")] for name in self.names}
        table = pd.DataFrame.from_dict(rows, orient="index", columns=["paper ρ", "paper p"])
        return table.rename_axis("measure")

    def printed(self, measure: str) -> str:
        """Return the paper's ρ and p of one of our measures, as text."""
        return f"ρ = {self.rho(measure):+.3f}, p = {self.rho(measure, 'p'):{self.p_format}}"

    def effect(self, claim_id: str, statement: str, measure: str, where: str = "") -> Claim:
        """Claim that a measure ranks the networks as printed."""
        judge = partial(self.family.judge_effect, measure=measure, reported=self.rho(measure))
        return self.claim(
            claim_id, statement, self.printed(measure), RULE_EFFECT, judge, where or self.where
        )

    def null(self, claim_id: str, statement: str, measure: str) -> Claim:
        """Claim that a measure does not rank the networks."""
        judge = partial(self.family.judge_null, measure=measure, reported=self.rho(measure))
        return self.claim(claim_id, statement, self.printed(measure), RULE_NULL, judge)

    def outperforms(
        self,
        claim_id: str,
        statement: str,
        reported: str,
        contest: str,
        first: str,
        rivals: Sequence[str],
    ) -> Claim:
        """Claim that one measure ranks the networks better than each of its rivals.

        contest: who meets whom, in words.
        """
        rule = f"{contest}, the closest rival deciding. "
        judge = partial(self.family.judge_outperforms, first=first, rivals=tuple(rivals))
        where = f"{self.where} and text"
        return self.claim(claim_id, statement, reported, rule + RULE_OUTPERFORMS, judge, where)

    def mean_accuracy(self, claim_id: str, statement: str, stated: float) -> Claim:
        """Claim what the text says of the networks' mean test accuracy, in percent."""
        return self.claim(
            claim_id,
            statement,
            f"{stated} %",
            f"replicates if our mean is within {CLOSE:.0f} percentage point of the paper's; in "
            f"part if within {NEAR:.0f}",
            partial(judge_mean_accuracy, table=self.table, stated=stated),
            where="text",
        )

    def claim(
        self,
        claim_id: str,
        statement: str,
        reported: str,
        rule: str,
        judge: Callable[[Load], Reading],
        where: str = "",
    ) -> Claim:
        """Make a claim about this table."""
        return Claim(
            id=claim_id,
            statement=statement,
            where=where or self.where,
            reported=reported,
            tables=(self.table,),
            rule=rule,
            judge=judge,
        )


def judge_mean_accuracy(load: Load, table: str, stated: float) -> Reading:
    """Compare the networks' mean test accuracy, in percent, with the one the paper states."""
    mean = mean_estimate(100 * load(table)["test_accuracy"].dropna())
    off = abs(mean.estimate - stated)
    verdict = Verdict.REPLICATES if off <= CLOSE else Verdict.FAILS
    if CLOSE < off <= NEAR:
        verdict = Verdict.PARTLY
    measured = (Measured("mean", mean, ".1f", "%"), Measured("networks", mean.n))
    return Reading(measured, verdict, mean)
