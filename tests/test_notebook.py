"""The notebook of the documentation is kept without what it printed; building the pages runs it."""

import ast
import importlib
from pathlib import Path

import nbformat

NOTEBOOK = Path(__file__).resolve().parent.parent / "docs" / "figures.ipynb"


def code_cells() -> list[nbformat.NotebookNode]:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_no_output_is_kept() -> None:
    cells = code_cells()
    assert len(cells) > 5
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)


def test_everything_it_imports_exists() -> None:
    for cell in code_cells():
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module or "")
                assert all(hasattr(module, alias.name) for alias in node.names), ast.unparse(node)


def test_lines_fit_the_page() -> None:
    for cell in code_cells():
        assert max(map(len, cell.source.splitlines())) <= 88
