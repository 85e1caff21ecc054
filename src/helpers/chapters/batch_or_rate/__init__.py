"""The chapter “Batch size or learning rate?”: book/batch-or-rate.ipynb."""
