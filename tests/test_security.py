"""Nothing from outside is run: no pickles, no extraction to chosen paths, no foreign notebooks."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml

from helpers.errors import UserError
from helpers.press import citation
from helpers.press.project import Project, chapters

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")])
BANNED_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"}
BANNED_METHODS = {"extractall", "unpack_archive", "mktemp", "read_pickle"}
BANNED_CALLS = {"eval", "exec", "os.system", "os.popen", "torch.load", "joblib.load"}
SAFE_LOADERS = {"yaml.SafeLoader", "yaml.BaseLoader", "_TextLoader"}  # the last: see below


def unsafe(tree: ast.AST) -> list[str]:
    """Return what in a module could run or unpack data from outside as code."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found += [name for name in names if name.split(".")[0] in BANNED_MODULES]
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        options = {each.arg: ast.unparse(each.value) for each in node.keywords}
        if name in BANNED_CALLS or name.split(".")[-1] in BANNED_METHODS:
            found.append(name)
        if name in {"np.load", "numpy.load"} and options.get("allow_pickle") != "False":
            found.append(f"{name} without allow_pickle=False")
        loader = options.get("Loader", ast.unparse(node.args[1]) if node.args[1:] else "")
        if name == "yaml.load" and loader not in SAFE_LOADERS:
            found.append(f"{name} with a loader that makes objects")
        if options.get("shell") == "True":
            found.append(f"{name} with a shell")
    return found


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from joblib.externals import cloudpickle",
        "torch.load(path)",
        "np.load(path)",
        "archive.extractall(folder)",
        "subprocess.run(line, shell=True)",
        "yaml.load(text, Loader=yaml.Loader)",
        "class Own(yaml.Loader): pass\nyaml.load(text, Own)",
        "exec(text)",
    ],
)
def test_the_search_finds_what_it_is_for(code: str) -> None:
    assert unsafe(ast.parse(code))


def test_the_own_yaml_loader_is_a_safe_one() -> None:
    assert issubclass(citation._TextLoader, yaml.SafeLoader)
    with pytest.raises(yaml.YAMLError):
        yaml.load("!!python/object/apply:os.getcwd []", citation._TextLoader)


def test_no_module_runs_or_unpacks_data_from_outside_as_code() -> None:
    found = {path.name: unsafe(ast.parse(path.read_text("utf-8"))) for path in SOURCES}
    assert {name: what for name, what in found.items() if what} == {}


@pytest.fixture
def book(tmp_path: Path) -> Project:
    root = tmp_path / "book"
    root.mkdir()
    notebook = '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}'
    for folder in (root, tmp_path):
        (folder / "index.ipynb").write_text(notebook)
    return Project(root, root / "_build")


@pytest.mark.parametrize("way", ["..", "link"])
def test_a_notebook_outside_the_book_is_not_run(way: str, book: Project, tmp_path: Path) -> None:
    (book.root / "_toc.yml").write_text("format: jb-book\nroot: index\n")
    assert [chapter.name for chapter in chapters(book)] == ["index"]
    name = "../index"
    if way == "link":
        name = "linked"
        (book.root / "linked.ipynb").symlink_to(tmp_path / "index.ipynb")
    toc = f"format: jb-book\nroot: index\nchapters:\n  - file: {name}\n"
    (book.root / "_toc.yml").write_text(toc)
    with pytest.raises(UserError, match=r"lies outside .*; only the book's own files are run"):
        chapters(book)
