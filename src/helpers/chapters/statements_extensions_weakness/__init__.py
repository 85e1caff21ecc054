"""The chapter “Statements, extensions, weakness”: book/statements-extensions-weakness.ipynb."""
