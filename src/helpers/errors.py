"""The one error type whose message is meant for the person at the terminal."""


class UserError(Exception):
    """Report a mistake the user can mend: what was wrong, what was expected, what to do."""
