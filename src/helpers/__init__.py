"""Tools that measure flatness, simplicity and weakness in stacks of small ReLU networks."""
