"""The chapter “The reparameterisation argument”: book/reparameterisation.ipynb."""
