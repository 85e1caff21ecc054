"""The chapter “Why the weakest policy is the best bet”: book/weakest-policy.ipynb."""
