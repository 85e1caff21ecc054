"""Weakness: how much room a learned statement leaves for what has not been seen."""
