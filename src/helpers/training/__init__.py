"""Train ReLU networks by plain SGD: own seed, own order of the points, own stop, per network.

On a CPU each network is trained alone by the compiled epochs of `kernels`; on a GPU the stack is
trained at once by `stack`. `train_reference` is the plain PyTorch loop that both must agree with.
"""

from helpers.training.prepared import Prepared
from helpers.training.protocol import SGD, Trained
from helpers.training.reference import train_reference
from helpers.training.run import train

__all__ = ["SGD", "Prepared", "Trained", "train", "train_reference"]
