"""The order of the book, which _toc.yml alone knows."""

from __future__ import annotations

from pathlib import Path

from helpers.errors import UserError
from helpers.files import ROOT


def documents(root: Path = ROOT) -> list[str]:
    """Return the names of the book's documents, such as book/regions, in reading order.

    Raises UserError for a table of contents that is missing or malformed.
    """
    from sphinx_external_toc.parsing import MalformedError, parse_toc_yaml
    from yaml import YAMLError

    try:
        return list(parse_toc_yaml(root / "_toc.yml"))
    except FileNotFoundError as error:
        raise UserError(
            f"there is no _toc.yml in {root}; expected a checkout of the book"
        ) from error
    except (MalformedError, YAMLError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"_toc.yml cannot be read: {reason}") from error


def slugs(root: Path = ROOT) -> list[str]:
    """Return the last parts of the documents' names, in reading order."""
    return [name.rsplit("/", 1)[-1] for name in documents(root)]
