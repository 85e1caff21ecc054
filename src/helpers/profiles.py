"""The three sizes at which the whole book can be run, by one code path."""

from __future__ import annotations

from typing import Literal, TypeGuard, get_args

from helpers.errors import UserError

Profile = Literal["smoke", "laptop", "paper"]
PROFILES: tuple[Profile, ...] = get_args(Profile)


def _is_profile(name: str) -> TypeGuard[Profile]:
    return name in PROFILES


def choose_profile(name: str) -> Profile:
    """Return `name` if it is a profile.

    `smoke` runs each chapter in seconds, tiny but real, for tests; `laptop` runs the book in
    minutes on two cores and reads the long tables from results/; `paper` computes every number
    from nothing.

    Raises UserError for an unknown name.
    """
    if not _is_profile(name):
        raise UserError(f"unknown profile '{name}'; expected one of {', '.join(PROFILES)}")
    return name
