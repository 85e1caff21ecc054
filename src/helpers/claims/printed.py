"""Make claims out of a table of correlations that the paper prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from helpers.claims.correlations import RULE_EFFECT, RULE_NULL, RULE_OUTPERFORMS, Family
from helpers.claims.types import Claim, Load, Reading
from helpers.reported import reported_value


@dataclass(frozen=True)
class PrintedTable:
    """A table of the paper, each measure a row, beside our table of the same networks.

    where: its name in the paper. key: its name in `helpers.reported`. names: our measures, each
    with the paper's name for it. table: ours, in results/. p_format: how the paper rounds p.
    """

    where: str
    key: str
    names: Mapping[str, str]
    table: str
    chapter: str
    p_format: str = ".2g"

    @property
    def family(self) -> Family:
        """Return our table with its measures, to be read."""
        return Family(self.table, tuple(self.names))

    def rho(self, measure: str, column: str = "rho") -> float:
        """Return what the paper prints for one of our measures."""
        return reported_value(self.key, column, measure=self.names[measure])

    def printed(self, measure: str) -> str:
        """Return the paper's ρ and p of one of our measures, as text."""
        return f"ρ = {self.rho(measure):+.3f}, p = {self.rho(measure, 'p'):{self.p_format}}"

    def effect(self, claim_id: str, statement: str, measure: str, where: str = "") -> Claim:
        """Claim that a measure ranks the networks as printed."""
        read = partial(self.family.read_effect, measure=measure, reported=self.rho(measure))
        return self.claim(
            claim_id, statement, self.printed(measure), RULE_EFFECT, read, where or self.where
        )

    def null(self, claim_id: str, statement: str, measure: str) -> Claim:
        """Claim that a measure does not rank the networks."""
        read = partial(self.family.read_null, measure=measure, reported=self.rho(measure))
        return self.claim(claim_id, statement, self.printed(measure), RULE_NULL, read)

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
        read = partial(self.family.read_outperforms, first=first, rivals=tuple(rivals))
        where = f"{self.where} and text"
        return self.claim(claim_id, statement, reported, rule + RULE_OUTPERFORMS, read, where)

    def claim(
        self,
        claim_id: str,
        statement: str,
        reported: str,
        rule: str,
        read: Callable[[Load], Reading],
        where: str = "",
    ) -> Claim:
        """Make a claim about this table."""
        return Claim(
            id=claim_id,
            statement=statement,
            where=where or self.where,
            reported=reported,
            chapter=self.chapter,
            tables=(self.table,),
            rule=rule,
            read=read,
        )
