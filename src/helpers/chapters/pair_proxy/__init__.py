"""The chapter “The pair proxy”: book/pair-proxy.ipynb."""
