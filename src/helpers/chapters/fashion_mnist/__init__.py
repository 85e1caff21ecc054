"""The chapter “Fashion-MNIST”: book/fashion-mnist.ipynb."""
