"""Errors whose message is meant for the person at the terminal."""


class UserError(Exception):
    """Report a mistake the user can mend: what was wrong, what was expected, what to do."""


class MissingTableError(UserError):
    """Report a table in results/ that has not been computed yet, and the command that does."""
