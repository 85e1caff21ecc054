"""The chapter “Regions: model selection with 300 networks”: book/model-selection.ipynb."""
