"""Fingerprint the code that a function, or a chapter's cells, can reach.

Only definitions count, and not where they live: a function that moves to another module keeps its
fingerprint. For rows, a changed comment, docstring, annotation or layout leaves it alone too; for
chapters, whose pages can show code, the text of a definition counts as it stands. A change to a
function that is never reached changes nothing. Reach is read from the source, by name: a lookup
through getattr or a string is not seen, and what is found that way is noted when it is read (see
`files.note_reading`).
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

# Code here stores, carries or shows rows; it does not compute them.
NOT_COMPUTING = (
    *("helpers.sweeps", "helpers.errors", "helpers.files", "helpers.profiles", "helpers.device"),
    *("helpers.machine", "helpers.toc"),
    *("helpers.page", "helpers.claims", "helpers.ledger", "helpers.press", "helpers.cli"),
    # files of data are verified by checksum
    *("helpers.data.sources", "helpers.data.fetch"),
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
    source: str = ""


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


def chapter_fingerprint(cells: Iterable[str], modules: Iterable[str] = ()) -> str:
    """Hash the text of every definition of this book that a chapter's code can reach.

    cells: the sources of its code cells; lines of magics are left out. modules: names of modules
    that it imports by name, all of whose definitions count.

    Raises SyntaxError for a cell that is not Python.
    """
    found: dict[str, _Module | None] = {}
    text = "\n".join(_without_magics(cell) for cell in cells)
    tree = ast.parse(text)
    page = _collect(tree, text, "__page__", is_package=False)
    starts = [(name, "*") for name in modules]
    for node in tree.body:
        starts.extend(_references(node, page))
    return _hash(_reached(starts, frozenset({"helpers"}), found, excluded=(), spell=_text))


def _without_magics(source: str) -> str:
    return re.sub(r"^[ \t]*[%!?].*$", "pass", source, flags=re.MULTILINE)


def _packages(module: str) -> frozenset[str]:
    """Name the packages whose code is followed from a module: this book's and its own."""
    return frozenset({"helpers", module.split(".", maxsplit=1)[0]})


def _is_within(module: str, rooms: Sequence[str]) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


def _reached(
    starts: Sequence[tuple[str, str]],
    roots: frozenset[str],
    modules: dict[str, _Module | None],
    *,
    excluded: Sequence[str] = NOT_COMPUTING,
    spell: Callable[[ast.stmt, _Module], str] = lambda node, _: _dump(node),
) -> dict[tuple[str, str], str]:
    """Spell every definition reached from (module, name) pairs."""
    seen: dict[tuple[str, str], str] = {}
    queue = list(starts)
    while queue:
        where, name = queue.pop()
        if (where, name) in seen or where.split(".")[0] not in roots or _is_within(where, excluded):
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
        seen[where, name] = "\n".join(spell(node, source) for node in nodes)
        for node in [*nodes, *source.always]:
            queue.extend(_references(node, source))
        seen[where, ""] = "\n".join(spell(node, source) for node in source.always)
    return seen


def _text(node: ast.stmt, module: _Module) -> str:
    """Return a definition as it is written, with its decorators and comments."""
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(each.lineno for each in decorators)])
    return "\n".join(module.source.split("\n")[first - 1 : node.end_lineno])


def _hash(bodies: Mapping[tuple[str, str], str]) -> str:
    """Hash definitions by their names and bodies, wherever they live."""
    pairs = sorted({(name, body) for (_, name), body in bodies.items() if body})
    text = "\n".join(f"{name}\n{body}" for name, body in pairs)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _module(name: str, modules: dict[str, _Module | None]) -> _Module | None:
    if name not in modules:
        modules[name] = _load(name)
    return modules[name]


def _load(name: str) -> _Module | None:
    path = _file_of(name)
    if path is None:
        return None
    state = path.stat()
    return _parsed(path, name, state.st_mtime_ns, state.st_size)


def _file_of(name: str) -> Path | None:
    """Return the source file of a module without importing it, or None where there is none."""
    root, *rest = name.split(".")
    try:
        spec = importlib.util.find_spec(root)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    if not rest:
        return Path(spec.origin) if spec.origin.endswith(".py") else None
    base = Path(spec.origin).parent.joinpath(*rest)
    found = [p for p in (base / "__init__.py", base.with_name(f"{base.name}.py")) if p.is_file()]
    return found[0] if found else None


@lru_cache(maxsize=1_024)  # a build asks for every chapter, and they share most modules
def _parsed(path: Path, name: str, modified: int, size: int) -> _Module:
    """Read a module in the state that its file has now."""
    text = path.read_text(encoding="utf-8")
    return _collect(ast.parse(text), text, name, is_package=path.name == "__init__.py")


def _collect(tree: ast.Module, text: str, name: str, *, is_package: bool) -> _Module:
    module = _Module(name, is_package, {}, {}, [], text)
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
    return full if _file_of(full) is not None else None


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
