"""Change settings of a protocol by name, however deep, and refuse what does not fit them."""

from __future__ import annotations

import json
import math
import types
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from helpers.errors import UserError

WORDS = {str: "a text", bool: "true or false"}


def change(protocol: Any, settings: Mapping[str, Any]) -> Any:
    """Return a frozen dataclass with some settings replaced.

    A setting that is itself a dataclass is changed by a mapping of its own settings; what is not
    named stays. Lists become tuples, and whole numbers are taken for numbers. No number is negative
    or infinite; counts and rates are positive.

    Raises UserError, with the path of the setting, for one that does not exist or does not fit.
    """
    return _changed(protocol, settings, ())


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


def _changed(old: Any, settings: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    kind = type(old)
    _refuse_unknown(kind, settings, path)
    hints = get_type_hints(kind)
    new = {
        name: _fitting(value, hints[name], getattr(old, name), (*path, name))
        for name, value in settings.items()
    }
    return replace(old, **new)


def _made(kind: type[Any], settings: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """Make a dataclass from nothing: an item of a list that had no item there."""
    _refuse_unknown(kind, settings, path)
    hints = get_type_hints(kind)
    new = {n: _fitting(v, hints[n], None, (*path, n)) for n, v in settings.items()}
    try:
        return kind(**new)
    except TypeError as error:
        every = ", ".join(item.name for item in fields(kind))
        raise _misfit(settings, f"{kind.__name__} with {every}", path) from error


def _refuse_unknown(kind: type[Any], settings: Mapping[str, Any], path: tuple[str, ...]) -> None:
    known = [item.name for item in fields(kind)]
    for name in settings:
        if name not in known:
            inside = f"setting '{'.'.join(path)}'" if path else f"protocol {kind.__name__}"
            raise UserError(f"{inside} has no field '{name}'; expected one of {', '.join(known)}")


def _fitting(value: Any, hint: Any, old: Any, path: tuple[str, ...]) -> Any:
    """Return a value as the type asks for it."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _one_of(value, inner, old, path)
    if origin is Literal:
        if value not in inner:
            raise _misfit(value, f"one of {', '.join(map(str, inner))}", path)
        return value
    if origin is tuple:
        return _items(value, inner, old, path)
    if is_dataclass(hint) and isinstance(hint, type):
        if isinstance(value, hint):
            return value
        if not isinstance(value, Mapping):
            every = ", ".join(item.name for item in fields(hint))
            raise _misfit(value, f"some of its own settings: {every}", path)
        return _changed(old, value, path) if is_dataclass(old) else _made(hint, value, path)
    if hint in (int, float):
        return _number(value, hint, path)
    if isinstance(hint, type) and not isinstance(value, hint):
        raise _misfit(value, WORDS.get(hint, hint.__name__), path)
    return value


def _one_of(value: Any, choices: tuple[Any, ...], old: Any, path: tuple[str, ...]) -> Any:
    if value is None and type(None) in choices:
        return None
    others = [choice for choice in choices if choice is not type(None)]
    for choice in others[:-1]:
        try:
            return _fitting(value, choice, old, path)
        except UserError:
            continue
    return _fitting(value, others[-1], old, path)


def _items(value: Any, inner: tuple[Any, ...], old: Any, path: tuple[str, ...]) -> Any:
    if not isinstance(value, list | tuple):
        raise _misfit(value, "a list", path)
    repeated = len(inner) == 2 and inner[1] is Ellipsis
    hints = inner[:1] * len(value) if repeated else inner
    if len(value) != len(hints) or not value:
        raise _misfit(
            value, "a list that is not empty" if repeated else f"{len(hints)} items", path
        )
    before = [*(old or ()), *[None] * len(value)]
    return tuple(
        _fitting(item, hint, before[i], (*path, str(i)))
        for i, (item, hint) in enumerate(zip(value, hints, strict=True))
    )


def _number(value: Any, hint: Any, path: tuple[str, ...]) -> Any:
    known = isinstance(value, hint if hint is int else int | float) and not isinstance(value, bool)
    name = next(part for part in reversed(path) if not part.isdigit())
    if hint is int:
        least = 0 if "seed" in name or name.startswith("max_") else 1  # a limit of 0: another holds
        if not known or value < least:
            raise _misfit(value, f"a whole number, {least} or more", path)
        return value
    positive = "rate" in name
    if not (known and math.isfinite(value) and value >= 0 and (value or not positive)):
        raise _misfit(value, f"a number, {'more than 0' if positive else '0 or more'}", path)
    return float(value)


def _misfit(value: Any, expected: str, path: tuple[str, ...]) -> UserError:
    return UserError(f"setting '{'.'.join(path)}' is {value!r}; expected {expected}")
