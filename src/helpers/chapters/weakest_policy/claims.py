"""Claims of this chapter: when the weakest policy is the best bet."""

from __future__ import annotations

from helpers.claims.checks import judge_theorem
from helpers.claims.types import Claim, Verdict

CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="uniform-demands",
        statement="If all sets of unseen demands are equally likely, a policy survives with "
        "probability 2^|B| / 2^|U|, and the strictly weaker of two policies survives strictly "
        "more often.",
        where="Propositions 8 and 9",
        reported="with proof",
        tables=("theory",),
        rule="Proved in the chapter; an exhaustive search for a counterexample finds none.",
        judge=judge_theorem(("proposition-8", "proposition-9"), {}, Verdict.PROVED),
    ),
    Claim(
        id="exchangeable-demands",
        statement="If the law of demands depends on their number alone, survival is the sum of "
        "q_k C(b,k)/C(u,k), which grows with the buffer.",
        where="Theorem 10",
        reported="with proof; strict when non-degenerate",
        tables=("theory",),
        rule="Proved in the chapter, with the exact condition for strictness and a converse; "
        "searches for counterexamples to all three find none.",
        judge=judge_theorem(
            ("theorem-10", "theorem-10-strict", "exchangeable-only"), {}, Verdict.PROVED
        ),
    ),
    Claim(
        id="sufficiency",
        statement="For exchangeable demands survival is a nondecreasing function of the "
        "measure of the buffer.",
        where="Theorem 2",
        reported="with proof",
        tables=("theory",),
        rule="Proved as repaired if the printed form has a counterexample and the repaired "
        "form, proved in the chapter, has none.",
        judge=judge_theorem(
            ("theorem-2-repaired", "theorem-2-sampled"),
            {"theorem-2-as-stated": "the printed form fails"},
            Verdict.REPAIRED,
        ),
    ),
    Claim(
        id="necessity",
        statement="For exchangeable and non-degenerate demands a larger buffer survives "
        "strictly more often.",
        where="Theorem 3",
        reported="with proof",
        tables=("theory",),
        rule="Proved in the chapter; the finite form is searched for counterexamples.",
        judge=judge_theorem(("theorem-10-strict", "theorem-2-repaired"), {}, Verdict.PROVED),
    ),
    Claim(
        id="unified-optimality",
        statement="A correct policy is optimal exactly when its buffer has the greatest measure.",
        where="Theorem 4",
        reported="with proof",
        tables=("theory",),
        rule="Proved as repaired: every optimal policy is weakest; the converse needs the "
        "repair of Theorem 2.",
        judge=judge_theorem(
            ("theorem-2-repaired", "theorem-10-strict"),
            {"theorem-2-as-stated": "Theorem 2, on which it rests, fails as printed"},
            Verdict.REPAIRED,
        ),
    ),
    Claim(
        id="minimax",
        statement="The weakest correct policy attains the minimax value of survival over "
        "exchangeable laws.",
        where="Theorem 5",
        reported="with proof",
        tables=("theory",),
        rule="Proved as repaired if over the whole class stronger policies attain the value "
        "too (it is zero), while over a class of bounded demands only the weakest does.",
        judge=judge_theorem(
            ("theorem-5-repaired", "theorem-5-on-average"),
            {"only-weakest-is-minimax": "a stronger policy attains the value too"},
            Verdict.REPAIRED,
        ),
    ),
    Claim(
        id="exchangeability-needed",
        statement="The weakest correct policy is the best bet.",
        where="the thesis of the paper",
        reported="under exchangeable demands",
        tables=("theory",),
        rule="Proved for exchangeable demands and for nested rivals, so conditional if, beyond "
        "them, laws that are not exchangeable and atoms of unequal weight give counterexamples.",
        judge=judge_theorem(
            ("exchangeable-only", "robustness"),
            {
                "weakest-contains-rivals": "a rival's buffer reaches outside the weakest's",
                "unequal-atoms": "with atoms of unequal weight a lighter buffer is better",
            },
            Verdict.CONDITIONAL,
        ),
    ),
    Claim(
        id="survival-is-correctness",
        statement="A policy that survives the parent task is correct for it.",
        where="Definition 4 against the theorems",
        reported="survival stands in for correctness",
        tables=("theory",),
        rule="Refuted if an enumeration of small tasks and parents finds policies that survive "
        "and are wrong.",
        judge=judge_theorem(
            (),
            {
                "survival-is-correctness": "a survivor is wrong",
                "weaker-is-more-often-correct": "the weaker policy is no more often correct",
            },
            Verdict.REFUTED,
        ),
    ),
)
