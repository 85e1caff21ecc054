"""Run the chapters with papermill and turn them into a site with Jupyter Book.

project.py       what is in the book: the table of contents, the notebooks
cache.py         when a chapter must run again, and the record of its last run
worker.py        run one chapter (its own process)
runner.py        run many chapters, watch them, report what failed
provenance.py    what made the pages, and the measured times
jupyter_book.py  Jupyter Book, with warnings as errors
book.py          all of it in order
citation.py      the files that follow CITATION.cff
site/            the book's Sphinx extension
"""
