"""Run the chapters with papermill and turn them into a site with Jupyter Book.

project.py     what is in the book: the table of contents, the notebooks
cache.py       when a chapter must run again, and the record of its last run
worker.py      run one chapter (its own process)
chapters.py    run many chapters, watch them, report what failed
provenance.py  what made the pages: commit, hardware, versions, measured times
site.py        Jupyter Book, with warnings as errors
book.py        all of it in order
"""
