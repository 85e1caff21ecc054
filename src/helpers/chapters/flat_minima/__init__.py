"""The chapter “Flat minima: the orthodoxy”: book/flat-minima.ipynb."""
