"""What a page is made of: figures, tables, prose, the paper's printed numbers, shown source."""
