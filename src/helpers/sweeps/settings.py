"""Change settings of a protocol by name, however deep, and refuse what does not fit them.

pydantic, which typer brings, checks the protocols' own dataclasses strictly: one unknown name or
wrong type is named by its path. (tyro reads command lines alone; cattrs makes 3 of "3"; dacite
takes true for a whole number and no list for a tuple.) Ours is what no type says: no number is
negative, counts and rates are positive, no list is empty.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from helpers.errors import UserError

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
Steps = tuple[str | int, ...]


def change(protocol: Any, settings: Mapping[str, Any]) -> Any:
    """Return a frozen dataclass with some settings replaced.

    A setting that is itself a dataclass is changed by a mapping of its own settings; what is not
    named stays. Lists become tuples, and whole numbers are taken for numbers. No number is negative
    or infinite; counts and rates are positive.

    Raises UserError, with the path of the setting, for one that does not exist or does not fit.
    """
    wanted = json.dumps([_merged(asdict(protocol), settings)], default=_plain)
    # As JSON, where a list is a tuple; as an item, because only a container passes its config on.
    kind: Any = tuple.__class_getitem__(type(protocol))
    try:
        (new,) = TypeAdapter(kind, config=STRICT).validate_json(wanted)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(_reason(protocol, first["loc"][1:], first)) from error
    for path, value in _leaves(asdict(new)):
        if rule := _broken_rule(value, next(n for n in reversed(path) if isinstance(n, str))):
            raise UserError(f"setting '{_dotted(path)}' is {value!r}; expected {rule}")
    return new


def parse(assignments: Iterable[str]) -> dict[str, Any]:
    """Read `path=value` texts as nested settings; a value is JSON, or else a text.

    `["n=300", "how.hutchinson_vectors=10"]` is {"n": 300, "how": {"hutchinson_vectors": 10}}.

    Raises UserError for a text without '=' or a path that contradicts another.
    """
    settings: dict[str, Any] = {}
    for assignment in assignments:
        path, sign, text = assignment.partition("=")
        names = path.split(".")
        if not (sign and all(names)):
            raise UserError(f"'{assignment}' is not a setting; expected NAME=VALUE, such as n=300")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        place = settings
        for name in names[:-1]:
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                break
        if not isinstance(place, dict) or names[-1] in place:
            raise UserError(f"'{path}' is set twice; expected each setting once")
        place[names[-1]] = value
    return settings


def spell(settings: Mapping[str, Any]) -> list[str]:
    """Return nested settings as the texts that `parse` reads."""
    found = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found += [f"{name}.{deeper}" for deeper in spell(value)]
        else:
            found.append(f"{name}={json.dumps(value)}")
    return found


def _merged(old: Any, new: Any) -> Any:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return {**old, **{name: _merged(old.get(name), value) for name, value in new.items()}}
    if isinstance(old, list | tuple) and isinstance(new, list | tuple):
        before = [*old, *[None] * len(new)]
        return [_merged(before[i], item) for i, item in enumerate(new)]
    return new


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else repr(value)


def _reason(protocol: Any, path: Steps, error: Mapping[str, Any]) -> str:
    """Say in a line what pydantic found at a path."""
    if error["type"] == "unexpected_keyword_argument":
        inside = (
            f"setting '{_dotted(path[:-1])}'" if path[1:] else f"protocol {type(protocol).__name__}"
        )
        known = _fields(protocol, path[:-1])
        return f"{inside} has no field '{path[-1]}'; expected one of {known}"
    if error["type"] == "missing":
        return f"setting '{_dotted(path)}' is missing; expected {_fields(protocol, path[:-1])}"
    expected = error["msg"].removeprefix("Input should be ")
    if error["type"] == "dataclass_type":
        expected = f"some of its own settings: {_fields(protocol, path)}"
    return f"setting '{_dotted(path)}' is {error['input']!r}; expected {expected}"


def _fields(place: Any, path: Steps) -> str:
    for step in path:
        place = place[min(step, len(place) - 1)] if isinstance(step, int) else getattr(place, step)
    return ", ".join(item.name for item in fields(place))


def _dotted(path: Steps) -> str:
    return ".".join(map(str, path))


def _leaves(value: Any, path: Steps = ()) -> Iterator[tuple[Steps, Any]]:
    """Yield every number, text and empty list of nested settings with its path."""
    if isinstance(value, dict | list | tuple) and value:
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(inner, (*path, name))
    else:
        yield path, value


def _broken_rule(value: Any, name: str) -> str | None:
    """Return the rule that a value breaks, by the name of its setting; None where it keeps all."""
    if isinstance(value, tuple):
        return "a list that is not empty"
    if isinstance(value, int) and not isinstance(value, bool):
        least = 0 if "seed" in name or name.startswith("max_") else 1  # a limit of 0: another holds
        return f"a whole number, {least} or more" if value < least else None
    if isinstance(value, float) and (value < 0 or ("rate" in name and not value)):
        return f"a number, {'more than 0' if 'rate' in name else '0 or more'}"
    return None
