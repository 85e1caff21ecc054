"""Tools that measure flatness, simplicity and weakness in stacks of small ReLU networks."""

import warnings

# Torch warns of its own torch.jit.script the first time that forward-mode differentiation runs.
warnings.filterwarnings("ignore", r"`torch\.jit\.script` is deprecated", FutureWarning)
