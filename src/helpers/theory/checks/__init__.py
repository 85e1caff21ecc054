"""Exhaustive searches for counterexamples to what the theory states."""
