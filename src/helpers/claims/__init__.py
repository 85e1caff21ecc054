"""Claims: what the paper says, what we measure, and what that makes of it.

A claim names the tables it is read from and the rule that turns numbers into a verdict word. Nobody
types a verdict: `Claim.read` computes it. The claims themselves lie with their chapters, in
`helpers.chapters.<slug>.claims`; `helpers.ledger` finds them all.
"""
