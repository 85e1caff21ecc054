"""The chapter “From counting to measuring, and PAC-Bayes”: book/counting-to-measuring.ipynb."""
