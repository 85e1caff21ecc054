"""Measures of trained networks: a Stack in, one number a network out."""
