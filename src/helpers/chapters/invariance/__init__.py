"""The chapter “What moves and what stays put”: book/invariance.ipynb."""
