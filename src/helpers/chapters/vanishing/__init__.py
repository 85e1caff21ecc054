"""The chapter “The vanishing advantage”: book/vanishing.ipynb."""
