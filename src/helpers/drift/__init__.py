"""Compare a re-run of published tables with what was published: as distributions, not bits.

rule.py        when a column has moved: the declared rule, its band and its false alarms
structure.py   rows, columns and labels that are missing, new or exchanged
compare.py     one table against its re-run, then all of them
report.py      what was found, as Markdown

Another processor or library rounds differently and training amplifies it, so a re-run of the same
seeds gives other networks and the same distribution. The rule:

A *column* is compared in each *group*: the rows that differ in nothing but the seed. A row that
agrees with its published twin within the protocol's tolerance counts as the same, and a column of
which all rows do is not tested. Of any other column two numbers are compared, its mean over seeds
and its spread (the mean absolute deviation from the group's median); of a yes-or-no column, the
share. Each shift gets Student's interval: of the paired differences for the same seeds, of two
independent samples with one variance for other seeds.

The *band* is a quarter of the published seed-to-seed standard deviation, and never less than the
tolerance. A difference under a millionth is none: some columns hold only the rounding that is left
of zero, and no other holds numbers so small. A column

* has **moved** when the interval excludes zero and the shift is outside the band;
* has **held** when the whole interval is inside the band;
* is **open** otherwise: too few networks to tell. That is no alarm, but it is counted, and the
  report says which shift would have been seen.

Reasons. Both conditions are needed: with many networks a shift that nobody cares about is
significant, and with few a large one is noise. The band is in units of the spread between seeds
because that is the noise against which every claim of the book is judged. The intervals hold
together: an honest re-run raises any alarm at all in at most one report of a hundred (1 % shared
equally among the tables, and within a table among its comparisons, which needs no independence of
columns). Two guards keep that promise where columns are far from normal, as counts of rare events
are: between different networks, at most one of 9,999 shuffles of the networks between the two
tables may reach the shift; and fewer than eight pairs, or eight networks for a spread, never raise
an alarm. A test splits real tables in two, hundreds of times, and counts the alarms.

A table without seeds (a theorem's checks, a count) is exact: each of its values must agree within
the tolerance. Timings are not compared. Correlations between columns have no band of their own:
the claims that rest on them are read again from the re-run, and verdicts that change are listed.
"""
