"""The theory: finite languages, tasks, demands, and binary arithmetic."""
