"""Our wheel: the same sources give the same bytes."""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = ("crds", "runtime", "operator", "webhook", "sandbox")
FILES = ("pyproject.toml", "README.md", "LICENSE", ".gitignore")
EPOCH = "1767225600"


def build(folder: Path, into: Path) -> Path:
    """Build the wheel of a checkout in which `.venv` need not be."""
    venv = {"VENV": sys.prefix, "SOURCE_DATE_EPOCH": EPOCH}
    command = ["bash", str(folder / "sandbox/wheel"), str(into)]
    subprocess.run(command, env=os.environ | venv, check=True, capture_output=True, timeout=300)
    (wheel,) = into.glob("*.whl")
    return wheel


def test_another_folder_time_and_umask_give_the_same_bytes(tmp_path: Path) -> None:
    first = build(ROOT, tmp_path / "first")
    copy = tmp_path / "elsewhere"
    for name in SOURCES:
        shutil.copytree(ROOT / name, copy / name, copy_function=shutil.copyfile)  # with new times
    for name in FILES:
        shutil.copyfile(ROOT / name, copy / name)
    for path in copy.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    second = build(copy, tmp_path / "second")
    assert first.name == second.name
    assert hashlib.sha256(first.read_bytes()).digest() == hashlib.sha256(second.read_bytes()).digest()


def test_the_wheel_has_all_our_packages_and_the_kinds(tmp_path: Path) -> None:
    with zipfile.ZipFile(build(ROOT, tmp_path)) as wheel:
        names = set(wheel.namelist())
        times = {entry.date_time for entry in wheel.infolist()}
    assert {f"talkdesk_{name}/__init__.py" for name in SOURCES} <= names
    assert len([name for name in names if name.startswith("talkdesk_crds/yaml/")]) == 3
    tops = {name.partition("/")[0] for name in names}
    assert {name for name in tops if not name.endswith(".dist-info")} == {f"talkdesk_{name}" for name in SOURCES}
    assert times == {(2026, 1, 1, 0, 0, 0)}
