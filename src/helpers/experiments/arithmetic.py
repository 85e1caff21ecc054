"""Binary arithmetic: does the weakest policy generalise where the shortest does not?

The protocol was fixed before the run. An operation on two 2-bit numbers has 16 rows; `seen` of them
are shown; each of the four answer bits is learned by a policy of its own, from the same rows. In
each vocabulary the weakest and the shortest correct policies are found by exhaustive search.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from helpers.sweeps.rowstore import CellResult
from helpers.sweeps.sweep import Experiment
from helpers.theory import criteria
from helpers.theory.arithmetic import (
    ANSWER_BITS,
    OPERATIONS,
    ROWS,
    Examples,
    Operation,
    Policies,
    cheapest_covers,
    truth_table,
)

Choice = tuple[str, str]
"""A vocabulary and a criterion."""

CHOICES: Mapping[Choice, Callable[[Examples], Policies]] = MappingProxyType(
    {
        ("rules", "weakest_states"): criteria.weakest_by_states,
        ("rules", "weakest_statements"): criteria.weakest_by_statements,
        ("rules", "shortest"): criteria.shortest,
        ("rules", "fewest_rules"): lambda e: criteria.shortest(e, "rules"),
        ("short_rules", "weakest_states"): lambda e: criteria.weakest_by_states(e, longest=2),
        ("short_rules", "weakest_statements"): lambda e: criteria.weakest_by_statements(
            e, longest=2
        ),
        ("short_rules", "shortest"): lambda e: criteria.shortest(e, longest=2),
        ("prime_rules", "weakest_states"): criteria.weakest_prime,
        ("prime_rules", "shortest"): criteria.shortest,  # its optima are all made of prime rules
        ("functions", "weakest_states"): lambda e: criteria.best_functions(e, "weakest"),
        ("functions", "shortest"): lambda e: criteria.best_functions(e, "shortest"),
    }
)


@dataclass(frozen=True)
class Cell:
    """One operation at one number of seen rows; `subsets` choices of them, or all there are."""

    operation: Operation
    seen: int
    subsets: int
    seed: int


@dataclass(frozen=True)
class Arithmetic(Experiment):
    """The protocol: which operations, how many rows are seen, how many choices of the rows.

    A choice of rows is drawn uniformly without replacement; when `subsets` reaches C(16, seen), all
    choices are taken and the rates are exact. Ties between optimal policies are broken uniformly:
    over policies for `shortest` and `fewest_rules`, over (ones, zeros) pairs for the weakest.
    """

    key: ClassVar[tuple[str, ...]] = ("operation", "seen", "bit", "vocabulary", "criterion")
    name: str = "arithmetic"
    operations: tuple[Operation, ...] = OPERATIONS
    seen: tuple[int, ...] = (4, 6, 8, 10, 12, 14)
    subsets: int = comb(ROWS, 4)  # every choice at 4, 12 and 14 seen rows; a sample between
    seed: int = 0

    def cells(self) -> Sequence[Cell]:
        """List the cells."""
        return [
            Cell(operation, seen, min(self.subsets, comb(ROWS, seen)), self.seed)
            for operation in self.operations
            for seen in self.seen
        ]

    @staticmethod
    def run_cell(cell: Cell, device: str) -> CellResult:
        """Run every criterion on every choice of rows."""
        return CellResult(summarise(cell))

    def smoke(self) -> Self:
        """Return a copy with a few choices of rows."""
        return replace(self, seen=(6, 12), subsets=5)

    def cost(self, cell: Cell) -> float:
        """Guess the relative cost of a cell."""
        return cell.subsets * (1 + 2 ** (6 - cell.seen / 2))


def choices_of_rows(cell: Cell) -> list[int]:
    """Return the sets of seen rows of a cell, as bitmasks of the 16 rows."""
    every = [sum(1 << r for r in rows) for rows in combinations(range(ROWS), cell.seen)]
    if cell.subsets >= len(every):
        return every
    rng = np.random.default_rng([cell.seed, OPERATIONS.index(cell.operation), cell.seen])
    return [every[i] for i in rng.choice(len(every), cell.subsets, replace=False)]


def summarise(cell: Cell) -> list[dict[str, Any]]:
    """Return a row per answer bit (and one for all four), vocabulary and criterion.

    rate: mean probability of generalising, ties broken uniformly. rate_low, rate_high: share of the
    choices of rows in which all, or some, of the tied policies generalise. wins: how many choices
    generalise when each tie is broken by one draw. survival: mean probability that no right answer
    is ruled out. solvable: share of the choices that have a correct policy; without one nothing
    generalises or survives. coincides: share in which some policy is optimal by this criterion and
    by `shortest` in the same vocabulary. agreement: mean probability that the two, each breaking
    its ties on its own, pick the same meaning. ties: mean number of distinct tied meanings. states:
    mean number of the 32 states allowed. literals: mean length. The last five are means over the
    solvable choices; they are missing for all four bits together.
    """
    outcomes: dict[tuple[str, Choice], list[dict[str, float]]] = {}
    for index, rows in enumerate(choices_of_rows(cell)):
        together = {choice: _Together() for choice in CHOICES}
        for bit in range(ANSWER_BITS):
            examples = Examples(truth_table(cell.operation, bit), rows)
            found = {choice: search(examples) for choice, search in CHOICES.items()}
            rng = np.random.default_rng([cell.seed, cell.seen, index, bit])
            for choice, policies in found.items():
                rival = found[choice[0], "shortest"]
                measured = _measure(policies, rival, examples.table, rng)
                outcomes.setdefault((str(bit), choice), []).append(measured)
                together[choice].add(measured)
        for choice, product in together.items():
            outcomes.setdefault(("all", choice), []).append(product.values)
    return [
        {
            "operation": cell.operation,
            "seen": cell.seen,
            "bit": bit,
            "vocabulary": choice[0],
            "criterion": choice[1],
            "trials": len(values),
            "wins": int(sum(value["wins"] for value in values)),
            **_means(values),
        }
        for (bit, choice), values in outcomes.items()
    ]


MULTIPLIED = ("wins", "rate", "rate_low", "rate_high", "survival", "solvable")


class _Together:
    """Multiply the outcomes of the four bits: the answer is right when all its bits are."""

    def __init__(self) -> None:
        self.values = dict.fromkeys(MULTIPLIED, 1.0)

    def add(self, measured: Mapping[str, float]) -> None:
        for name in MULTIPLIED:
            self.values[name] *= measured[name]


def _measure(
    policies: Policies, rival: Policies, table: int, rng: np.random.Generator
) -> dict[str, float]:
    if not len(policies.ones):
        return dict.fromkeys(MULTIPLIED, 0.0)
    right = policies.generalises(table)
    rate = policies.share(right)
    literals = cheapest_covers("literals").cost
    lengths = literals[policies.ones].astype(float) + literals[policies.zeros]
    return {
        "wins": float(rng.random() < rate),
        "rate": rate,
        "rate_low": float(right.all()),
        "rate_high": float(right.any()),
        "survival": policies.share(policies.survives(table)),
        "solvable": 1.0,
        "coincides": float(policies.coincides(rival)),
        "agreement": policies.agreement(rival),
        "ties": float(len(policies.ones)),
        "states": float(np.average(policies.allowed(), weights=policies.weight)),
        "literals": float(np.average(lengths, weights=policies.weight)),
    }


def _means(values: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = [*MULTIPLIED[1:], "coincides", "agreement", "ties", "states", "literals"]
    found = {name: [v[name] for v in values if name in v] for name in names}
    return {name: float(np.mean(v)) if v else np.nan for name, v in found.items()}


def sample(trials: int, protocol: Arithmetic | None = None) -> pd.DataFrame:
    """Run independent trials, each with random rows and one random answer bit; add intervals.

    Ties are broken by one draw. Columns: operation, seen, vocabulary, criterion, trials, wins,
    share = wins / trials, and low and high, the 95 % Wilson interval of the probability of a win.
    """
    protocol = protocol or Arithmetic()
    outcomes: dict[tuple[Operation, int, Choice], int] = {}
    for cell in protocol.cells():
        rng = np.random.default_rng([protocol.seed, OPERATIONS.index(cell.operation), cell.seen])
        for _ in range(trials):
            rows = sum(1 << int(r) for r in rng.choice(ROWS, cell.seen, replace=False))
            table = truth_table(cell.operation, int(rng.integers(ANSWER_BITS)))
            draw = rng.random()
            for choice, search in CHOICES.items():
                policies = search(Examples(table, rows))
                won = len(policies.ones) > 0 and draw < policies.share(policies.generalises(table))
                key = (cell.operation, cell.seen, choice)
                outcomes[key] = outcomes.get(key, 0) + int(won)
    frame = pd.DataFrame(
        [
            {"operation": o, "seen": k, "vocabulary": c[0], "criterion": c[1], "wins": wins}
            for (o, k, c), wins in outcomes.items()
        ]
    ).assign(trials=trials)
    low, high = proportion_confint(frame["wins"], frame["trials"], method="wilson")
    return frame.assign(share=frame["wins"] / frame["trials"], low=low, high=high)


VOCABULARIES = ("rules", "short_rules", "prime_rules", "functions")
WORDS: Mapping[str, str] = MappingProxyType(
    {
        "short_rules": "short rules",
        "prime_rules": "prime rules",
        "weakest_states": "weakest, by states",
        "weakest_statements": "weakest, by statements",
        "fewest_rules": "fewest rules",
    }
)
"""What vocabularies and criteria are called in figures and tables, where it is not their name."""


def mean_over_bits(table: pd.DataFrame, column: str, by: Sequence[str]) -> pd.Series:
    """Return the mean of a column over the four answer bits and whatever `by` does not name."""
    bits = table[table["bit"].astype(str) != "all"]
    return bits.groupby(list(by))[column].mean()


def ratio_by_seen(table: pd.DataFrame, vocabulary: str) -> pd.DataFrame:
    """Return rate(weakest by states) / rate(shortest): a row an operation, a column a `seen`."""
    part = table[table["vocabulary"] == vocabulary]
    rates = mean_over_bits(part, "rate", ("operation", "seen", "criterion")).unstack("criterion")
    return _by_seen(rates["weakest_states"] / rates["shortest"])


def coincidence(table: pd.DataFrame) -> pd.DataFrame:
    """Return the share of lessons in which some weakest policy is also a shortest one."""
    part = table[table["criterion"].isin(["weakest_states", "weakest_statements"])]
    shares = mean_over_bits(part, "coincides", ("vocabulary", "criterion", "seen"))
    return _by_seen(shares).rename(index=WORDS)


def sampled_rates(run: pd.DataFrame, operation: Operation) -> pd.DataFrame:
    """Return the rates of a sample with their intervals as text, and the published ones below."""
    part = run[(run["operation"] == operation) & (run["criterion"] != "fewest_rules")]
    policy = part["vocabulary"].replace(WORDS) + ": " + part["criterion"].replace(WORDS)
    numbers = part[["share", "low", "high"]].itertuples(index=False)
    rate = [f"{share:.2f} [{low:.2f}, {high:.2f}]" for share, low, high in numbers]
    wide = _by_seen(part.assign(policy=policy, rate=rate).set_index(["policy", "seen"])["rate"])
    if operation == "addition":
        for kind in ("shortest", "weakest"):
            printed = PUBLISHED_ADDITION.set_index("seen")[kind]
            wide.loc[f"published: {kind}"] = [
                f"{printed[k]:.2f}" if k in printed.index else None
                for k in sorted(set(run["seen"]))
            ]
    return wide


def _by_seen(values: pd.Series) -> pd.DataFrame:
    wide = values.unstack("seen")
    return wide.rename(columns={k: f"k = {k}" for k in wide.columns}).rename_axis(columns=None)


PUBLISHED_ADDITION = pd.DataFrame(
    {"seen": [6, 10, 14], "weakest": [0.11, 0.27, 0.68], "shortest": [0.10, 0.13, 0.24]}
)
"""Generalisation rates for binary addition as reported in arXiv:2301.12987."""


PROTOCOLS = (Arithmetic(),)
