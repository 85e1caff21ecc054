"""The whole build, in order: run what has changed, lay out the sources, build the site."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import filelock
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.progress import TimeElapsedColumn as Elapsed

from helpers.errors import UserError
from helpers.files import write_text
from helpers.machine import commit_of
from helpers.press import cache
from helpers.press import jupyter_book as site
from helpers.press.cache import Record
from helpers.press.project import Chapter, Project, chapters
from helpers.press.provenance import device_used, hardware, main_versions, now
from helpers.press.runner import CELL_TIMEOUT, Failure, Outcome, Plan, longest_first, run_chapters
from helpers.profiles import choose_profile
from helpers.sweeps.engines import default_workers


@dataclass(frozen=True)
class Options:
    """What to build, and how. `only` holds chapter names or their beginnings; empty means all."""

    profile: str = "laptop"
    device: str = "auto"
    workers: int | None = None
    cell_timeout: float | None = None
    only: Sequence[str] = ()
    force: bool = False
    with_site: bool = True


@dataclass
class Tally:
    """What a build did: the chapters that ran, those that were reused, and those that failed."""

    ran: list[str] = field(default_factory=list)
    reused: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    site_built: bool = False


def build_book(project: Project, options: Options, console: Console | None = None) -> Tally:
    """Run the chapters that have changed and build the site.

    Returns a tally; where it holds failures, the site was not touched. Raises UserError for an
    unknown profile or device, an invalid notebook, another build in the same folder, or a site with
    warnings.
    """
    check_parameters(options)
    project.build.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(project.build / ".lock")
    try:
        with lock.acquire(timeout=0):
            return Build(project, options, console or Console()).run()
    except filelock.Timeout as error:
        raise UserError(
            f"another build is running in {project.build}; wait for it, or give another --build-dir"
        ) from error


def check_parameters(options: Options) -> None:
    """Raise UserError for a profile or device that cannot be had. Imports torch only if needed."""
    choose_profile(options.profile)
    if options.device not in {"auto", "cpu"}:
        from helpers.device import choose_device

        choose_device(options.device)


class Build:
    """One build. Chapters that read the others (`after: all`) run in a second round."""

    def __init__(self, project: Project, options: Options, console: Console) -> None:
        self.project = project
        self.options = options
        self.console = console
        self.parameters = {"profile": options.profile, "device": options.device}
        self.plan = Plan(
            profile=options.profile,
            parameters=self.parameters,
            workers=options.workers or default_workers(),
            cell_timeout=options.cell_timeout or CELL_TIMEOUT[options.profile],
            commit=commit_of(project.root, digits=8),
        )
        self.records: dict[str, Record] = {}
        self.tally = Tally()

    def run(self) -> Tally:
        """Do all of it. Raises UserError."""
        every = chapters(self.project)
        chosen = self._chosen(every)
        self.device = device_used(self.options.device)
        self.environment = {**cache.environment_versions(), "device": self.device}
        first = [chapter for chapter in chosen if not chapter.after_all]
        began = time.monotonic()
        outcome = self._round(first)
        whole = len(outcome.records) == len([c for c in every if not c.after_all])
        self._write_times(every, outcome, time.monotonic() - began if whole else None)
        last = [chapter for chapter in chosen if chapter.after_all]
        if self.tally.failures:
            self.tally.skipped = [chapter.name for chapter in last]
            return self.tally
        self._round(last, upstream=self._upstream(first))
        if not self.tally.failures and not self.options.only:
            self._lay_out(every)
            if self.options.with_site:
                self._build_site()
        return self.tally

    def _chosen(self, every: list[Chapter]) -> list[Chapter]:
        only = [name.removeprefix("book/").removesuffix(".ipynb") for name in self.options.only]
        if not only:
            return every
        short = {chapter.name: chapter.name.rsplit("/", 1)[-1] for chapter in every}
        for name in only:
            if not any(each.startswith(name) for each in short.values()):
                known = ", ".join(short.values())
                raise UserError(f"no chapter '{name}' in _toc.yml; expected one of {known}")
        return [c for c in every if any(short[c.name].startswith(name) for name in only)]

    def _round(self, some: list[Chapter], upstream: Sequence[str] = ()) -> Outcome:
        """Reuse what is good among some chapters and run the rest."""
        stale: list[tuple[Chapter, str]] = []
        seconds: dict[str, float] = {}
        for chapter in some:
            key = cache.chapter_key(
                chapter, self.parameters, environment=self.environment, upstream=upstream
            )
            record = cache.load_record(self.project, chapter, self.options.profile)
            if record:
                seconds[chapter.name] = record.seconds
            if record and cache.is_fresh(record, key) and not self.options.force:
                self.records[chapter.name] = record
                self.tally.reused.append(chapter.name)
            else:
                stale.append((chapter, key))
        if not stale:
            return Outcome()
        with Display(self.console, stale) as display:
            outcome = run_chapters(
                self.project, longest_first(stale, seconds), self.plan, display.listen
            )
        self.records |= outcome.records
        self.tally.ran += list(outcome.records)
        self.tally.failures += outcome.failures
        return outcome

    def _upstream(self, first: list[Chapter]) -> list[str]:
        digests = [self.records[chapter.name].digest for chapter in first]
        return [*digests, json.dumps(_read_json(self.project.times))]

    def _costs(self, some: list[Chapter]) -> dict[str, dict[str, Any]]:
        return {
            chapter.path.stem: {
                "profile": self.options.profile,
                "device": self.device,
                "seconds": record.seconds,
                "peak_mb": record.peak_mb,
                "peak_process_mb": record.peak_process_mb,
                "cells": len(record.outputs),
                "date": record.date,
                "commit": record.commit,
            }
            for chapter in some
            if (record := self.records.get(chapter.name))
        }

    def _write_times(self, every: list[Chapter], outcome: Outcome, seconds: float | None) -> None:
        """Write the measured times of the first round, for the pages that show them.

        `last_full_run` is the last time that every chapter of the round ran in one build.
        """
        if self.options.only:
            return
        old = _read_json(self.project.times)
        made = {"profile": self.options.profile, "device": self.device}
        same = all(old.get(name) == value for name, value in made.items())
        full = old.get("last_full_run") if same else None
        if seconds is not None and outcome.records:
            full = {
                "seconds": round(seconds, 1),
                "workers": self.plan.workers,
                "peak_mb": round(outcome.peak_mb),
            }
        times = {
            **made,
            "hardware": hardware(),
            "last_full_run": full,
            "chapters": self._costs([chapter for chapter in every if not chapter.after_all]),
        }
        write_text(self.project.times, json.dumps(times, indent=1) + "\n")

    def _lay_out(self, every: list[Chapter]) -> None:
        notebooks = {
            chapter.path: site.executed_notebook(
                chapter, self.records[chapter.name], self.parameters
            )
            for chapter in every
        }
        site.gather_sources(self.project, notebooks)
        path = self.project.executed / "book" / "_provenance.json"
        costs = self._costs(every)
        for name, cost in costs.items():
            cost["reused"] = any(each.endswith(f"/{name}") for each in self.tally.reused)
        provenance = {
            "commit": self.plan.commit,
            "date": now(),
            "profile": self.options.profile,
            "device": self.device,
            "hardware": hardware(),
            "versions": main_versions(),
            "chapters": costs,
        }
        old = _read_json(path)
        if _lasting(old) != _lasting(provenance):
            write_text(path, json.dumps(provenance, indent=1) + "\n")

    def _build_site(self) -> None:
        key = site.site_key(self.project)
        if site.is_current(self.project, key):
            return
        with self.console.status("building the site"):
            site.build_site(self.project, key)
        self.tally.site_built = True


class Display:
    """A progress bar over code cells, and a line for each chapter that ends."""

    def __init__(self, console: Console, stale: list[tuple[Chapter, str]]) -> None:
        self.console = console
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("cells"),
            Elapsed(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        total = sum(len(chapter.code_cells) for chapter, _ in stale)
        self.whole = self.progress.add_task("chapters", total=total)
        self.tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Display:
        self.progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.progress.stop()

    def listen(self, event: str, chapter: Chapter, detail: Any) -> None:
        """Show an event of a running chapter."""
        name = chapter.path.stem
        if event == "started":
            total = len(chapter.code_cells)
            self.tasks[chapter.name] = self.progress.add_task(f"  {name}", total=total)
            return
        task = self.tasks[chapter.name]
        if event == "cell":
            self.progress.update(task, completed=detail - 1)
        elif event == "finished":
            self.progress.update(task, visible=False, completed=len(chapter.code_cells))
            self.console.print(
                f"[green]✓[/] {name}  {detail.seconds:.1f} s, {detail.peak_mb:,} MB",
                highlight=False,
            )
        else:
            self.progress.update(task, visible=False)
            headline = escape(detail.headline())
            self.console.print(f"[red]✗[/] {headline}", highlight=False, soft_wrap=True)
        done = sum(each.completed for each in self.progress.tasks if each.id in self.tasks.values())
        self.progress.update(self.whole, completed=done)


def _lasting(provenance: dict[str, Any]) -> dict[str, Any]:
    """Return a provenance without what changes when nothing has been made anew."""
    kept = {name: value for name, value in provenance.items() if name != "date"}
    chapters_ = kept.get("chapters", {})
    kept["chapters"] = {
        name: {key: value for key, value in cost.items() if key != "reused"}
        for name, cost in chapters_.items()
    }
    return kept


def _read_json(path: Any) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}
