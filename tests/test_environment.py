"""Devices, the doctor and the environments: quick refusals, plain words, the same pins all over."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from helpers import device as devices
from helpers import doctor
from helpers.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
HAS_DRIVER = devices.cuda_driver() is not None


def level(findings: list[doctor.Finding], words: str) -> str:
    found = [each.level for each in findings if words in each.text]
    assert len(found) == 1, [each.text for each in findings]
    return found[0]


# ---------------------------------------------------------------- devices


@pytest.mark.skipif(HAS_DRIVER, reason="there is a CUDA driver here")
@pytest.mark.parametrize("command", [["run", "all"], ["book"], ["book", "--profile", "paper"]])
def test_a_missing_gpu_is_refused_in_one_line_without_loading_torch(command: list[str]) -> None:
    code = (
        "import sys; from helpers.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "finally:\n    print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command, "--device", "cuda"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == "False\n"
    assert done.stderr == (
        "error: device 'cuda' was asked for, but torch sees no CUDA GPU here; "
        "use DEVICE=cpu or auto\n"
    )


def test_a_driver_without_a_gpu_is_still_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "cuda_driver", lambda: ctypes.CDLL(None))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    devices.refuse_impossible("cuda")
    with pytest.raises(UserError, match="torch sees no CUDA GPU"):
        devices.choose_device("cuda")


def test_a_torch_for_amd_needs_no_nvidia_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "cuda_driver", lambda: None)
    monkeypatch.setattr(devices, "installed_version", lambda _: "2.14.1+rocm7.1")
    devices.refuse_impossible("cuda")


# ---------------------------------------------------------------- the doctor


def test_the_doctor_calls_a_device_that_is_not_there_bad() -> None:
    if not HAS_DRIVER:
        assert level(doctor.examine(device="cuda"), "device 'cuda' was asked for") == "bad"
    assert level(doctor.examine(device="gpu"), "unknown device 'gpu'") == "bad"
    assert level(doctor.examine(device="cpu"), "DEVICE=cpu uses: cpu") == "good"


@pytest.mark.parametrize(
    ("built", "driver", "words"),
    [
        (None, (13, 0), "this torch has no CUDA"),
        ("13.0", (12, 4), "knows CUDA 12.4, but this torch was built for CUDA 13.0"),
        ("13.0", (13, 1), "--gpus all"),
    ],
)
def test_the_doctor_says_why_a_gpu_is_not_used(
    built: str | None, driver: tuple[int, int], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "driver_version", lambda: driver)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", built)
    assert level(list(doctor._torch("auto")), words) == "note"


def test_the_driver_is_asked_for_its_cuda_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(pointer: Any) -> int:
        pointer._obj.value = 12040
        return 0

    monkeypatch.setattr(devices, "cuda_driver", lambda: SimpleNamespace(cuDriverGetVersion=answer))
    assert doctor.driver_version() == (12, 4)
    monkeypatch.setattr(devices, "cuda_driver", lambda: None)
    assert doctor.driver_version() is None


def test_the_doctor_survives_a_torch_that_cannot_be_imported(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise OSError('libtorch.so: no such file')\n")
    done = subprocess.run(
        [sys.executable, "-m", "helpers", "doctor"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "torch cannot be imported: libtorch.so: no such file; run `make env`" in done.stdout
    assert done.stderr == ""


def test_a_torch_without_cuda_needs_none_of_its_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pins = tmp_path / "requirements.txt"
    pins.write_text("torch==2.14.1\nnvidia-cublas==13.1\ncuda-toolkit==13.0\ntriton==3.8\n")
    versions = {"torch": "2.14.1+cpu"}
    monkeypatch.setattr(doctor, "installed_version", versions.get)
    assert [each.level for each in doctor._pins(pins)] == ["good"]
    versions["torch"] = "2.14.1"
    assert level(doctor._pins(pins), "not installed: nvidia-cublas, cuda-toolkit, triton") == "bad"


@pytest.mark.skipif(
    os.name == "nt" or os.geteuid() == 0, reason="the super-user may write anywhere"
)
def test_a_data_folder_that_cannot_be_written_is_bad(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o500)
    monkeypatch.setenv("HELPERS_DATA", str(tmp_path / "data"))
    assert level(list(doctor._data()), "cannot be written; set HELPERS_DATA") == "bad"


def test_a_data_folder_below_a_file_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HELPERS_DATA", str(tmp_path / "file" / "data"))
    assert level(list(doctor._data()), "cannot be written; set HELPERS_DATA") == "bad"


def test_the_memory_is_what_the_container_may_use(tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    for text, expected in (("2147483648\n", 2**31), ("max\n", float("inf"))):
        limit.write_text(text)
        assert doctor._container_limit(limit) == expected
    assert doctor._container_limit(tmp_path / "absent") == float("inf")


# ---------------------------------------------------------------- the environments


def commands(*arguments: str) -> str:
    """Return what make would run, for an environment that does not exist."""
    make = ["make", "-n", "-C", str(ROOT), "VENV=/nonexistent/venv", *arguments]
    environment = {k: v for k, v in os.environ.items() if k not in {"TORCH", "VERSIONS"}}
    done = subprocess.run(make, capture_output=True, text=True, check=True, env=environment)
    return done.stdout


def test_torch_cpu_asks_the_other_index_for_torch_alone() -> None:
    lines = [line for line in commands("env-dev", "TORCH=cpu").splitlines() if "pip" in line]
    asking = [line for line in lines if "index-url" in line]
    assert len(asking) == 1
    producer = asking[0].split(" | ")[0]
    done = subprocess.run(
        ["bash", "-c", producer], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert re.fullmatch(r"torch==[\d.]+\ntorchvision==[\d.]+\n", done.stdout)
    assert "--no-deps" in asking[0]
    assert "index-url" not in commands("env-dev")


def test_the_newest_versions_are_asked_for_by_the_ranges_of_pyproject() -> None:
    lines = commands("packages", "TORCH=cpu", "VERSIONS=latest").splitlines()
    producer = next(line for line in lines if "index-url" in line).split(" | ")[0]
    done = subprocess.run(
        ["bash", "-c", producer], cwd=ROOT, capture_output=True, text=True, check=True
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [each for each in project["dependencies"] if each.startswith("torch")]
    assert done.stdout.split() == wanted
    assert any("--upgrade-strategy eager -e '.[dev]'" in line for line in lines)
    assert not any("requirements" in line for line in lines)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_what_torch_cpu_leaves_out_is_needed_by_cuda_alone(name: str) -> None:
    """Read who needs each pin from uv's comments: every parent of one left out is torch or out."""
    producer = next(
        line
        for line in commands("env-dev", "TORCH=cpu").splitlines()
        if "nvidia-" in line and f" {name} |" in line
    ).split(" | ")[0]
    kept = subprocess.run(
        ["bash", "-c", producer], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    parents: dict[str, set[str]] = {}
    current = ""
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        if pin := re.match(r"([\w.-]+)==", line):
            current = pin[1]
        elif parent := re.match(r"    # +(?:via )?([\w.-]+)$", line):
            parents.setdefault(current, set()).add(parent[1])
    kept_names = set(re.findall(r"(?m)^([\w.-]+)==", kept))
    left_out = set(parents) - kept_names
    assert len(left_out) > 10
    assert kept_names >= {"torch", "torchvision", "numpy"}
    for package in left_out:
        assert parents[package] - {"via"} <= {"torch", *left_out}, package


def test_every_environment_has_a_python_that_the_book_supports() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=3.11,<3.14"
    assert "FROM python:3.11-" in (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert (ROOT / "binder/runtime.txt").read_text(encoding="utf-8") == "python-3.11\n"
    assert "python:3.11-" in (ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8")
    workflow = (ROOT / ".github/workflows/book.yml").read_text(encoding="utf-8")
    assert '["3.11", "3.12", "3.13"]' in workflow


def test_the_image_runs_as_an_ordinary_user() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    users = [line for line in lines if line.startswith("USER")]
    assert users == ["USER 1000:1000"]
    assert {"cpu", "cuda"} <= {line.split()[-1] for line in lines if line.startswith("FROM")}
