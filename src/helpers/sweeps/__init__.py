"""Run protocols as sweeps of independent cells, and keep what they find as tables."""
