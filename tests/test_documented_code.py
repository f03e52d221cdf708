"""Every Python block of the README and the pages runs as it stands, the blocks of a page in their order."""

import re
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```python[ \t]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
INCLUDE = re.compile(
    r"^```\{include\} +(\S+)\n:start-after: +(.+?)\n:end-before: +(.+?)\n.*?^```$",
    re.MULTILINE | re.DOTALL,
)


def resolve_includes(text: str, folder: Path) -> str:
    """``text`` with the marked parts of other pages put in, as Sphinx does."""

    def part(match: re.Match[str]) -> str:
        file, start, end = match.groups()
        included = (folder / file).read_text(encoding="utf-8")
        for marker in (start, end):
            assert included.count(marker) == 1, f"{marker!r} must stand once in {file}"
        return included.split(start)[1].split(end)[0]

    return INCLUDE.sub(part, text)


def python_blocks(text: str) -> list[tuple[int, str]]:
    """(line before the first, code) of each block."""
    return [(text.count("\n", 0, match.start(1)), match.group(1)) for match in BLOCK.finditer(text)]


def blocks_of(page: Path) -> list[tuple[int, str]]:
    """Blocks of a page and of the parts it includes."""
    return python_blocks(resolve_includes(page.read_text(encoding="utf-8"), page.parent))


def pages_with_code() -> list[Path]:
    """README and pages that show Python."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [page for page in pages if blocks_of(page)]


def test_blocks_are_found_with_their_lines() -> None:
    assert python_blocks("# Title\n\n```python\nx = 1\n```\n\n```sh\nls\n```\n```python\ny = x\n```\n") == [
        (3, "x = 1\n"),
        (10, "y = x\n"),
    ]


def test_included_parts_are_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("no\n<!-- a -->\n```python\nx = 1\n```\n<!-- b -->\nno\n")
    text = "```{include} other.md\n:start-after: <!-- a -->\n:end-before: <!-- b -->\n```\n"
    assert [code for _, code in python_blocks(resolve_includes(text, tmp_path))] == ["x = 1\n"]


def test_the_first_pages_show_code() -> None:
    assert {"README.md", "getting-started.md"} <= {page.name for page in pages_with_code()}


@pytest.mark.parametrize("page", pages_with_code(), ids=lambda page: page.name)
def test_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = blocks_of(page)
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    names: dict[str, object] = {"__name__": page.stem}
    for line, code in blocks:
        exec(compile("\n" * line + code, str(page), "exec"), names)


def test_the_readme_example_prunes_to_its_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ((line, code),) = python_blocks((ROOT / "README.md").read_text(encoding="utf-8"))
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    names: dict = {"__name__": "readme"}
    exec(compile("\n" * line + code, "README.md", "exec"), names)
    controller, model = names["controller"], names["model"]
    assert controller.live_connections == round(0.1 * (64 * 128 + 128 * 10))
    with torch.no_grad():
        accuracy = (model(names["pixels"].float() / 16).argmax(1) == names["labels"]).float().mean().item()
    # Seen samples, so far above the ten percent of chance wherever training and pruning both work.
    assert accuracy > 0.9
