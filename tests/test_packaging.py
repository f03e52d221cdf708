"""What is declared is what is there: packages, their data, pinned versions."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
TOP = ("grn", "pruning", "models", "studies")


def pins() -> dict[str, str]:
    """Name -> line of every pin in constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {
        canonicalize_name(line.split("==")[0]): line
        for line in lines
        if line.strip() and not line.startswith("#")
    }


def test_every_package_is_declared() -> None:
    found = {
        ".".join(file.parent.relative_to(ROOT).parts)
        for top in TOP
        for file in (ROOT / top).rglob("__init__.py")
    }
    assert found == set(PROJECT["tool"]["setuptools"]["packages"])


def test_every_source_lies_in_a_package() -> None:
    stray = [
        file.relative_to(ROOT).as_posix()
        for top in TOP
        for file in (ROOT / top).rglob("*.py")
        if not (file.parent / "__init__.py").exists()
    ]
    assert stray == []


def test_every_data_file_is_declared() -> None:
    declared = PROJECT["tool"]["setuptools"]["package-data"]
    missing = [
        file.relative_to(ROOT).as_posix()
        for top in TOP
        for file in (ROOT / top).rglob("*")
        if file.is_file() and file.suffix not in {".py", ".pyc"} and "__pycache__" not in file.parts
        if not any(
            file.match(f"{package.replace('.', '/')}/{pattern}")
            for package, patterns in declared.items()
            for pattern in patterns
        )
    ]
    assert missing == []


def test_pins_are_plain_versions() -> None:
    for line in pins().values():
        assert re.fullmatch(r"[a-z0-9][a-z0-9.-]*==[0-9][0-9a-z.]*( ; .+)?", line), line


@pytest.mark.parametrize("extra", ["core", *EXTRAS])
def test_pins_satisfy_the_declared_ranges(extra: str) -> None:
    declared = PROJECT["project"]["dependencies"] if extra == "core" else EXTRAS[extra]
    for requirement in map(Requirement, declared):
        if canonicalize_name(requirement.name) == PROJECT["project"]["name"]:
            continue
        line = pins()[canonicalize_name(requirement.name)]
        pinned = re.split("==| ;", line)[1]
        assert requirement.specifier.contains(pinned), f"{requirement} against {line}"


def test_everything_that_is_needed_is_pinned() -> None:
    pinned = pins()
    todo = [Requirement(text) for extra in EXTRAS.values() for text in extra]
    todo += [Requirement(text) for text in PROJECT["project"]["dependencies"]]
    seen: set[str] = set()
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        if name in seen or name == PROJECT["project"]["name"]:
            continue
        seen.add(name)
        assert name in pinned, f"{name} is needed and not in constraints.txt: make constraints"
        try:
            needs = distribution(name).requires or []
        except PackageNotFoundError:
            continue  # an extra that is not installed here
        todo += [
            inner
            for inner in map(Requirement, needs)
            if inner.marker is None or inner.marker.evaluate({"extra": ""})
        ]
    assert "torch" in seen


def test_torch_is_the_pinned_release() -> None:
    assert version("torch").split("+")[0] == pins()["torch"].split("==")[1]
