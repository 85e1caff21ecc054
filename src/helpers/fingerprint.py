"""Fingerprint the code that a function can reach, so that a row knows which code computed it.

Only definitions count: a changed comment, docstring, annotation or layout leaves the fingerprint
alone, and so does a change to a function that is never reached. Reach is read from the source, by
name: a lookup through getattr or a string is not seen.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# These modules store, carry or show rows; they do not compute them.
NOT_COMPUTING = frozenset(
    f"helpers.{name}"
    for name in (
        *("results", "rowstore", "files", "sweeps", "spotchecks"),
        *("engines", "fingerprint", "errors"),
        *("profiles", "device", "cli", "build", "plots", "tables", "claims", "reported", "source"),
        *("fetch", "datasources", "downloads"),  # data files are verified by checksum
    )
)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_SKIPPED_FIELDS = frozenset({"annotation", "returns", "type_comment", "type_params", "kind", "ctx"})


@dataclass(frozen=True)
class _Module:
    name: str
    is_package: bool
    definitions: dict[str, list[ast.stmt]]  # what each top-level name is bound by
    imports: dict[str, tuple[str, str | None]]  # local name -> (module, name in it or None)
    always: list[ast.stmt]  # statements that run on import and bind nothing


def code_fingerprint(module: str, *qualified_names: str) -> str:
    """Hash every definition that `qualified_names` of `module` reach within their packages.

    A qualified name is a top-level name or 'Class.method'. Code of this book and of the module's
    own package is followed; installed libraries are not (their versions are in the provenance).

    Raises KeyError for a name that the module does not define.
    """
    modules: dict[str, _Module | None] = {}
    starts = [(module, name) for name in qualified_names]
    source = _module(module, modules)
    for name in qualified_names:
        if source is not None and _nodes(source, name) is None and name not in source.imports:
            raise KeyError(f"{module} does not define {name}")
    return _hash(_reached(starts, _packages(module), modules))


def method_fingerprint(kind: type, method: str) -> str:
    """Hash a method of a class, inherited or not, and every definition that it reaches.

    Here `self.`, `cls.` and `super().` are followed too, to the methods and constants of the class
    and of all that it inherits from. Fields are not: their values are settings, not code.

    Raises KeyError for a method that the class does not have.
    """
    if not hasattr(kind, method):
        raise KeyError(f"{kind.__qualname__} has no method {method}")
    roots, modules = _packages(kind.__module__), dict[str, _Module | None]()
    bodies: dict[tuple[str, str], str] = {}
    starts: list[tuple[str, str]] = []
    queue, seen = [method], set[str]()
    while queue:
        name = queue.pop()
        if name in seen:
            continue
        seen.add(name)
        for owner in kind.__mro__:
            where = owner.__module__
            source = _module(where, modules) if where.split(".")[0] in roots else None
            nodes = [] if source is None else _members(source, owner.__qualname__, name)
            if source is None or not nodes:
                continue
            bodies[where, f"{owner.__qualname__}.{name}"] = "\n".join(_dump(n) for n in nodes)
            for node in nodes:
                queue.extend(_through_self(node))
                starts.extend(_references(node, source))
    return _hash(bodies | _reached(starts, roots, modules))


def _packages(module: str) -> frozenset[str]:
    """Name the packages whose code is followed from a module: this book's and its own."""
    return frozenset({"helpers", module.split(".", maxsplit=1)[0]})


def _reached(
    starts: Sequence[tuple[str, str]],
    roots: frozenset[str],
    modules: dict[str, _Module | None],
) -> dict[tuple[str, str], str]:
    """Spell every definition reached from (module, name) pairs."""
    seen: dict[tuple[str, str], str] = {}
    queue = list(starts)
    while queue:
        where, name = queue.pop()
        if (where, name) in seen or where in NOT_COMPUTING or where.split(".")[0] not in roots:
            continue
        source = _module(where, modules)
        if source is None:
            continue
        nodes = _nodes(source, name)
        if nodes is None:
            if name in source.imports:  # re-exported from elsewhere
                queue.append(_target(source.imports[name]))
            elif _load(f"{where}.{name}") is not None:  # `from package import module`
                queue.append((f"{where}.{name}", "*"))
            continue
        seen[where, name] = "\n".join(_dump(node) for node in nodes)
        for node in [*nodes, *source.always]:
            queue.extend(_references(node, source))
        seen[where, ""] = "\n".join(_dump(node) for node in source.always)
    return seen


def _hash(bodies: Mapping[tuple[str, str], str]) -> str:
    text = "\n".join(f"{where}:{name}\n{body}" for (where, name), body in sorted(bodies.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _module(name: str, modules: dict[str, _Module | None]) -> _Module | None:
    if name not in modules:
        modules[name] = _load(name)
    return modules[name]


def _load(name: str) -> _Module | None:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    is_package = spec.submodule_search_locations is not None
    module = _Module(name, is_package, {}, {}, [])
    for statement in tree.body:
        bound = list(_bound_names(statement))
        for item in bound:
            module.definitions.setdefault(item, []).append(statement)
        found = [] if isinstance(statement, _SCOPES) else list(ast.walk(statement))
        imported = [node for node in found if isinstance(node, ast.Import | ast.ImportFrom)]
        for node in imported:
            module.imports.update(_imported(node, name, is_package))
        if not bound and not imported and not _is_docstring(statement):
            module.always.append(statement)
    return module


def _bound_names(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, _SCOPES):
        yield statement.name
    elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            yield from (node.id for node in ast.walk(target) if isinstance(node, ast.Name))
    elif isinstance(statement, ast.If | ast.Try | ast.With):
        for inner in ast.iter_child_nodes(statement):
            if isinstance(inner, ast.stmt):
                yield from _bound_names(inner)
            elif isinstance(inner, ast.ExceptHandler):
                for deeper in inner.body:
                    yield from _bound_names(deeper)


def _imported(
    statement: ast.Import | ast.ImportFrom, module: str, is_package: bool
) -> Iterator[tuple[str, tuple[str, str | None]]]:
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            local = alias.asname or alias.name.split(".")[0]
            yield local, (alias.name if alias.asname else local, None)
        return
    base = statement.module or ""
    if statement.level:
        parents = module.split(".") if is_package else module.split(".")[:-1]
        kept = parents[: len(parents) - statement.level + 1]
        base = ".".join([*kept, *([statement.module] if statement.module else [])])
    for alias in statement.names:
        yield alias.asname or alias.name, (base, alias.name)


def _nodes(module: _Module, name: str) -> list[ast.stmt] | None:
    if name == "*":
        return [node for nodes in module.definitions.values() for node in nodes]
    owner, _, method = name.partition(".")
    found = module.definitions.get(owner)
    if not method or found is None:
        return found
    inside = [
        item
        for node in found
        if isinstance(node, ast.ClassDef)
        for item in node.body
        if isinstance(item, ast.FunctionDef) and item.name == method
    ]
    return list[ast.stmt](inside) or None


def _members(module: _Module, owner: str, name: str) -> list[ast.stmt]:
    """Return what a class binds a name by: methods, properties and constants, but no fields."""
    return [
        item
        for node in module.definitions.get(owner, [])
        if isinstance(node, ast.ClassDef)
        for item in node.body
        if name in _bound_names(item) and not _is_field(item)
    ]


def _is_field(node: ast.stmt) -> bool:
    return isinstance(node, ast.AnnAssign) and "ClassVar" not in ast.unparse(node.annotation)


def _through_self(node: ast.stmt) -> Iterator[str]:
    """Yield the names that a method looks up in its own class."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute):
            value = inner.value.func if isinstance(inner.value, ast.Call) else inner.value
            if isinstance(value, ast.Name) and value.id in {"self", "cls", "super"}:
                yield inner.attr


def _target(imported: tuple[str, str | None]) -> tuple[str, str]:
    module, name = imported
    return module, "*" if name is None else name


def _references(node: ast.stmt, module: _Module) -> Iterator[tuple[str, str]]:
    """Yield (module, name) for every name in a definition that this module binds or imports."""
    imports = dict(module.imports)
    for inner in ast.walk(node):
        if isinstance(inner, ast.Import | ast.ImportFrom):
            imports.update(_imported(inner, module.name, module.is_package))
    through_module: set[int] = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name):
            imported = imports.get(inner.value.id)
            submodule = None if imported is None else _as_module(imported, module.name)
            if submodule is not None:  # `sharpness.hessian_trace`: only that name is reached
                through_module.add(id(inner.value))
                yield submodule, inner.attr
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and id(inner) not in through_module:
            if inner.id in module.definitions:
                yield module.name, inner.id
            elif inner.id in imports:
                yield _target(imports[inner.id])


def _as_module(imported: tuple[str, str | None], importer: str) -> str | None:
    """Return the full name of an import if it is a module of this book or of the importer."""
    module, name = imported
    root = module.split(".", maxsplit=1)[0]
    if name is None or root not in {"helpers", importer.split(".", maxsplit=1)[0]}:
        return module if name is None else None
    full = f"{module}.{name}"
    try:
        return full if importlib.util.find_spec(full) is not None else None
    except (ImportError, ValueError):
        return None


def _is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _dump(node: object) -> str:
    """Spell a syntax tree without positions, docstrings or annotations, alike on every Python."""
    if isinstance(node, ast.AST):
        fields = []
        for name, value in ast.iter_fields(node):
            if name in _SKIPPED_FIELDS or value is None or value == []:
                continue
            if name == "body" and isinstance(value, list):
                value = [item for item in value if not _is_docstring(item)]
            fields.append(f"{name}={_dump(value)}")
        return f"{type(node).__name__}({', '.join(fields)})"
    if isinstance(node, list):
        return "[" + ", ".join(_dump(item) for item in node) + "]"
    return repr(node)
