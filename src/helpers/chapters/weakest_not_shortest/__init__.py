"""The chapter “Weakest, not shortest: binary arithmetic again”: book/weakest-not-shortest.ipynb."""
