"""The workflows: least privilege, pinned actions, nothing for forks, steps that run anywhere."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
ACTIONS = sorted((GITHUB / "actions").glob("*/action.yml"))
MAY_WRITE = {  # everything that any job may do besides reading
    ("gpu", "deploy"): {"pages", "id-token"},
    ("gpu", "propose"): {"contents", "pull-requests"},
    ("canary", "report"): {"issues"},
}


def read(path: Path) -> dict[str, Any]:
    loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    loaded["on"] = loaded.pop(True, None)  # YAML 1.1 reads `on` as true
    return loaded


def jobs() -> Iterator[Any]:
    for path in WORKFLOWS:
        for name, job in read(path)["jobs"].items():
            yield pytest.param(path.stem, job, id=f"{path.stem}-{name}")


def steps() -> Iterator[Any]:
    for path in [*WORKFLOWS, *ACTIONS]:
        content = read(path)
        groups = content["jobs"].items() if "jobs" in content else [("all", content["runs"])]
        for name, group in groups:
            for number, step in enumerate(group["steps"]):
                yield pytest.param(step, id=f"{path.parent.name}-{path.stem}-{name}-{number}")


def triggers(path: Path) -> set[str]:
    return set(read(path)["on"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_starts_without_permissions_and_never_runs_twice(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {}
    assert workflow["concurrency"]["group"]
    assert "cancel-in-progress" in workflow["concurrency"]


def test_no_job_writes_more_than_its_task_needs() -> None:
    writing = {}
    for path in WORKFLOWS:
        for name, job in read(path)["jobs"].items():
            assert set(job["permissions"].values()) <= {"read", "write"}
            if found := {
                scope for scope, access in job["permissions"].items() if access == "write"
            }:
                writing[path.stem, name] = found
    assert writing == MAY_WRITE


@pytest.mark.parametrize(("_workflow", "job"), list(jobs()))
def test_a_job_ends_in_time(_workflow: str, job: dict[str, Any]) -> None:
    assert 0 < job["timeout-minutes"] <= 360


def test_a_pull_request_gets_no_secret_no_token_and_no_gpu() -> None:
    everything = [path.read_text(encoding="utf-8") for path in [*WORKFLOWS, *ACTIONS]]
    assert not any("secrets" in text for text in everything)
    for path in WORKFLOWS:
        assert not triggers(path) & {"pull_request_target", "workflow_run", "issue_comment"}
        if "pull_request" in triggers(path):
            text = path.read_text(encoding="utf-8")
            assert "github.token" not in text
            assert "vars." not in text
            assert {job["runs-on"] for job in read(path)["jobs"].values()} == {"ubuntu-24.04"}
    assert "pull_request" not in triggers(GITHUB / "workflows" / "gpu.yml")


@pytest.mark.parametrize(("workflow", "job"), list(jobs()))
def test_a_fork_starts_none_of_the_scheduled_work(workflow: str, job: dict[str, Any]) -> None:
    if workflow != "book" and "needs" not in job:
        assert "!github.event.repository.fork" in job["if"]


@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=lambda path: path.parent.name)
def test_actions_are_pinned_by_commit_with_the_version_beside(path: Path) -> None:
    for line in path.read_text(encoding="utf-8").splitlines():
        if "uses:" in line and "uses: ./" not in line:
            assert re.search(r"uses: actions/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


def test_one_action_is_one_version_everywhere() -> None:
    pins: dict[str, set[str]] = {}
    for path in [*WORKFLOWS, *ACTIONS]:
        text = path.read_text(encoding="utf-8")
        for name, version in re.findall(r"uses: (actions/[\w-]+)[\w/-]*@(.+)", text):
            pins.setdefault(name, set()).add(version)
    assert len(pins) >= 6
    assert all(len(versions) == 1 for versions in pins.values()), pins


@pytest.mark.parametrize("step", list(steps()))
def test_a_step_keeps_no_credentials_and_its_shell_runs_anywhere(step: dict[str, Any]) -> None:
    """A step is a target of the Makefile or a script of .ci: what runs there runs here."""
    if step.get("uses", "").startswith("actions/checkout@"):
        assert step["with"]["persist-credentials"] is False
    if "run" not in step:
        return
    assert "${{" not in step["run"]
    command, *arguments = shlex.split(step["run"])
    if command == "bash":
        assert os.access(ROOT / arguments[0], os.X_OK)
        assert arguments[0].startswith(".ci/")
        return
    assert command == "make"
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for argument in arguments:
        name, is_setting, _ = argument.partition("=")
        pattern = rf"(?m)^{name} \?=" if is_setting else rf"(?m)^{name}:"
        assert re.search(pattern, makefile), f"the Makefile knows no {argument}"


def test_the_site_is_published_only_after_all_checks_and_without_drift() -> None:
    build, deploy = (
        read(GITHUB / "workflows" / "gpu.yml")["jobs"][name] for name in ("build", "deploy")
    )
    commands = [step.get("run", "") for step in build["steps"]]
    order = ["make doctor DEVICE=cuda", "make paper DEVICE=cuda", "make test", "make drift"]
    assert [command for command in commands if command in order] == order
    assert build["outputs"]["drift"] == "${{ steps.drift.outcome }}"
    assert [s.get("id") for s in build["steps"] if s.get("continue-on-error")] == ["drift"]
    assert deploy["needs"] == "build"
    assert deploy["if"].startswith("${{ needs.build.outputs.drift == 'success' && ")


def test_a_dead_link_blocks_nothing() -> None:
    workflow = read(GITHUB / "workflows" / "links.yml")
    assert triggers(GITHUB / "workflows" / "links.yml") == {"schedule", "workflow_dispatch"}
    asking = [s for s in workflow["jobs"]["links"]["steps"] if s.get("run") == "make links"]
    assert [step["continue-on-error"] for step in asking] == [True]
    others = [path.read_text(encoding="utf-8") for path in WORKFLOWS if path.stem != "links"]
    assert not any("make links" in text for text in others)


@pytest.mark.parametrize(
    "command",
    [
        ["actionlint", "-shellcheck", "{bin}/shellcheck", "-pyflakes=", *map(str, WORKFLOWS)],
        ["zizmor", "--offline", "--quiet", "--no-progress", str(GITHUB)],
        ["shellcheck", *map(str, sorted((ROOT / ".ci").iterdir())), str(ROOT / "binder/postBuild")],
        ["hadolint", str(ROOT / "Dockerfile")],
    ],
    ids=lambda command: command[0],
)
def test_the_linters_find_nothing(command: list[str]) -> None:
    folder = Path(sys.executable).parent
    if not (folder / command[0]).exists():
        pytest.skip(f"{command[0]} is not installed; run `make env-dev`")
    name, *arguments = command
    line = [str(folder / name), *(each.replace("{bin}", str(folder)) for each in arguments)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# ---------------------------------------------------------------- the scripts


def call(script: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(cwd / ".ci" / script)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize(
    ("runner", "labels"),
    [
        ('["self-hosted", "linux", "gpu"]', ["self-hosted", "linux", "gpu"]),
        ('"gpu-t4"', "gpu-t4"),
    ],
)
def test_the_gpu_runner_is_what_the_variable_says(
    runner: str, labels: object, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    done = call("gpu-runner", GPU_RUNNER=runner, EVENT="release", GITHUB_OUTPUT=str(output))
    assert done.returncode == 0
    name, _, value = output.read_text(encoding="utf-8").rstrip("\n").partition("=")
    assert (name, json.loads(value)) == ("labels", labels)


def test_without_a_gpu_runner_the_schedule_is_quiet_and_a_person_is_told(tmp_path: Path) -> None:
    output = str(tmp_path / "output")
    quiet = call("gpu-runner", GPU_RUNNER="", EVENT="schedule", GITHUB_OUTPUT=output)
    assert (quiet.returncode, quiet.stdout[:10]) == (0, "::notice::")
    told = call("gpu-runner", GPU_RUNNER="", EVENT="workflow_dispatch", GITHUB_OUTPUT=output)
    assert told.returncode == 1
    assert told.stdout.startswith("::error::no GPU runner: the repository variable GPU_RUNNER is ")
    assert not Path(output).exists()
    heading = re.search(r"CONTRIBUTING.md, '(.+)'", told.stdout)
    assert heading
    assert heading[1] in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("runner", ["gpu", "[]", '[""', "7", '["gpu", 7]'])
def test_a_gpu_runner_that_is_no_label_is_refused_in_one_line(runner: str) -> None:
    done = call("gpu-runner", GPU_RUNNER=runner, EVENT="schedule")
    assert done.returncode == 1
    assert done.stderr.startswith(f"::error::GPU_RUNNER is {runner}; expected JSON, such as ")
    assert done.stderr.count("\n") == 1


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a `gh` on the path that writes down how it was called and answers what GH_ANSWER says."""
    folder = tmp_path / "bin"
    folder.mkdir()
    gh = folder / "gh"
    gh.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$*" >>{tmp_path}/calls\n'
        'case "$2" in list) printf "%s" "$GH_ANSWER" ;; esac\n'
    )
    gh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    name = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", "-C", str(folder), *name, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def clone(stand_in: Path) -> Path:
    """Return a clone of a tiny repository with one table, a drift report, and the script."""
    origin, folder = stand_in / "origin.git", stand_in / "clone"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(origin)], check=True)
    subprocess.run(
        ["git", "clone", "-q", str(origin), str(folder)], check=True, capture_output=True
    )
    (folder / ".ci").mkdir()
    (folder / ".ci/propose-results").write_bytes((ROOT / ".ci/propose-results").read_bytes())
    (folder / "results").mkdir()
    (folder / "results/table.csv").write_text("seed,value\n0,1.0\n")
    git(folder, "switch", "-q", "-C", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "One table")
    git(folder, "push", "-q", "origin", "main")
    (folder / "_build").mkdir()
    (folder / "_build/drift.md").write_text("# Drift\n\nvalue moved by 1.0\n")
    return folder


def test_new_tables_are_proposed_once_and_then_renewed(clone: Path, stand_in: Path) -> None:
    calls = stand_in / "calls"
    (clone / "results/table.csv").write_text("seed,value\n0,2.0\n")
    first = call("propose-results", clone, GH_ANSWER="0", DRIFT="failure")
    assert first.returncode == 0, first.stderr
    assert git(clone, "show", "origin/results/update:results/table.csv").endswith("0,2.0")
    assert git(clone, "diff", "--name-only", "origin/main", "origin/results/update") == (
        "results/table.csv"
    )
    assert "pr create --head results/update --base main" in calls.read_text()
    assert "--title Update the published tables: some moved" in calls.read_text()

    calls.unlink()
    git(clone, "switch", "-q", "main")
    (clone / "results/table.csv").write_text("seed,value\n0,3.0\n")
    again = call("propose-results", clone, GH_ANSWER="1")
    assert again.returncode == 0, again.stderr
    assert git(clone, "rev-list", "--count", "origin/main..origin/results/update") == "1"
    assert git(clone, "show", "origin/results/update:results/table.csv").endswith("0,3.0")
    assert "pr edit results/update --title Update the published tables --body" in calls.read_text()
    assert "pr create" not in calls.read_text()


def test_tables_as_published_are_not_proposed(clone: Path, stand_in: Path) -> None:
    done = call("propose-results", clone, GH_ANSWER="0")
    assert (done.returncode, done.stdout) == (0, "no table changed; nothing to propose\n")
    assert not (stand_in / "calls").exists()
    (clone / "_build/drift.md").unlink()
    refused = call("propose-results", clone)
    assert refused.returncode == 1
    assert refused.stderr == "error: there is no _build/drift.md; run make drift first\n"


def test_a_failing_canary_has_one_issue(stand_in: Path) -> None:
    calls = stand_in / "calls"
    assert call("report-canary", GH_ANSWER="", BOOK="failure", AUDIT="success").returncode == 0
    assert "issue create --title The weekly canary fails" in calls.read_text()
    assert "newest packages: failure." in calls.read_text()
    calls.unlink()
    assert call("report-canary", GH_ANSWER="12", BOOK="success", AUDIT="failure").returncode == 0
    assert "issue comment 12 --body" in calls.read_text()
    assert "issue create" not in calls.read_text()
