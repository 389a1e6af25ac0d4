"""The teaching notebooks run from top to bottom."""

from pathlib import Path

import nbformat
import pytest

from impact.notebook import run_notebook

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda f: f.name)
def test_the_example_runs(file):
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    text = run_notebook(notebook, EXAMPLES)
    assert "not examined" in text
