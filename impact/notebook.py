"""analysis.ipynb: each headline number of the brief made again from the data, with plain calls."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from impact.calls import arguments, planned
from impact.data.sample import Sample
from impact.errors import Problem, RenderError
from impact.results import Estimate, Evaluation
from impact.results.edits import cells_mark
from impact.study.types import MethodCall, Outcome, words

NEEDS = ("nbformat", "nbclient", "ipykernel")
SECONDS = 600  # longest time one cell may take
STARTUP = 120  # longest time the kernel may take to answer
STOPPED = "_async_cleanup_kernel_future"  # nbclient takes Ctrl-C for itself, keeps this, and fails on what is gone


def missing_notebook() -> Problem | None:
    """Say what the notebook lacks, with the line to type; nothing where all is there."""
    missing = [name for name in NEEDS if find_spec(name) is None]
    if not missing:
        return None
    return Problem(
        where="analysis.ipynb", what=f"the notebook needs {', '.join(missing)}",
        cure='Type: python -m pip install "sme-impact[notebook]"  or leave the notebook out with --no-notebook.')


def build_notebook(sample: Sample, evaluation: Evaluation, study_file: Path, out: Path) -> Any:
    """Write the cells: read the study, load the data, one call for each headline number, and the comparison.

    Parameters
    ----------
    sample : the sample the evaluation was made from.
    evaluation : the record whose headline numbers are reproduced: the primary method of every outcome.
    study_file, out : the study file, and the folder of the notebook; the path between them is written relative.

    Returns
    -------
    nbformat NotebookNode
        Not yet executed; cell ids are fixed, so that the same study gives the same notebook.
    """
    from nbformat import v4

    study = evaluation.study
    kind = study.design.kind
    cells = [
        v4.new_markdown_cell(
            f"# {_markdown(words(study.title))}\n\nThis notebook makes each headline number of the brief again from the "
            "data, with plain calls to the toolkit. Each result is compared with the number in the record."),
        v4.new_code_cell(f"import impact\n\nstudy = impact.read_study({_path(study_file, out)!r})\n"
                         "sample = impact.load_sample(study)\ndata = sample.frame\ndata.shape"),
        v4.new_code_cell("made_again = {}"),
    ]
    for outcome, call, role in planned(sample.study):
        if role in ("primary", "secondary"):
            cells += _cells(sample, evaluation.main(outcome.name), outcome, call, kind)
    expected = {e.id: (e.estimate, e.conf_low, e.conf_high) for e in evaluation.estimates
                if e.role in ("primary", "secondary")}
    cells += [
        v4.new_markdown_cell("## The same numbers as the record"),
        v4.new_code_cell("in_the_record = {\n" + "".join(f"    {key!r}: {value!r},\n" for key, value in expected.items())
                         + "}\nfor name, numbers in in_the_record.items():\n"
                         "    for what, number, again in zip(('effect', 'low', 'high'), numbers, made_again[name]):\n"
                         "        if number is None:\n            assert again is None\n            continue\n"
                         "        print(f'{name:45s} {what:7s} record {number:12.6g}   made again {again:12.6g}')\n"
                         "        assert abs(again - number) <= 1e-9 * max(1, abs(number))"),
    ]
    for i, cell in enumerate(cells):
        cell["id"] = f"cell-{i:02d}"
    return v4.new_notebook(cells=cells, metadata={
        "impact": {"cells_sha256": cells_mark(cells)},
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"}})


def _cells(sample: Sample, estimate: Estimate, outcome: Outcome, call: MethodCall, kind: str) -> list[Any]:
    from nbformat import v4

    keywords = arguments(sample, outcome, call)
    spelled = "".join(f"    {key}={value!r},\n" for key, value in keywords.items())
    text = f"## {_markdown(words(outcome.label))}\n\n{_markdown(estimate.question[:1].upper() + estimate.question[1:])}."
    code = (f"estimate = impact.{kind}.{call.method}(\n    data,\n{spelled}).headline\n"
            f"made_again[{estimate.id!r}] = (estimate.estimate, estimate.conf_low, estimate.conf_high)\nprint(estimate)")
    return [v4.new_markdown_cell(text), v4.new_code_cell(code)]


def _markdown(text: str) -> str:
    """Keep a user's words literal in Markdown: no markup, no HTML."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#$|~&!" else c for c in " ".join(text.split()))


def _path(study_file: Path, out: Path) -> str:
    """Write the way from the notebook to the study file, so that no home folder is told."""
    try:
        return Path(os.path.relpath(study_file.resolve(), out.resolve())).as_posix()
    except ValueError:  # another drive on Windows
        return study_file.resolve().as_posix()


def run_notebook(notebook: Any, out: Path) -> str:
    """Execute a notebook in its folder and return it as text.

    Raises
    ------
    RenderError
        When a cell fails; the message names the cell and the error.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    client = None
    try:
        with tempfile.TemporaryDirectory(prefix="impact-") as sockets:
            client = NotebookClient(notebook, timeout=SECONDS, startup_timeout=STARTUP, kernel_name="python3",
                                    record_timing=False, resources={"metadata": {"path": str(out.resolve())}},
                                    **_transport(sockets))
            client.execute(stderr=subprocess.DEVNULL)  # the kernel is another program: its farewell is not ours
    except BaseException as error:
        if hasattr(client, STOPPED):
            raise KeyboardInterrupt from None
        if not isinstance(error, (CellExecutionError, CellTimeoutError, DeadKernelError, RuntimeError)):
            raise
        last = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().splitlines()[-1][:300]
        raise RenderError(Problem(where="analysis.ipynb", what=f"a cell failed: {last}",
                                  cure="Run the study again; if it fails again, leave it out with --no-notebook."),
                          source="notebook") from None
    text: str = nbformat.writes(notebook)
    return text + ("" if text.endswith("\n") else "\n")


def _transport(sockets: str) -> dict[str, Any]:
    """Talk to the kernel through files rather than ports where the system can: nothing listens on the network."""
    if os.name != "posix":
        return {}
    from traitlets.config import Config

    config = Config()
    config.KernelManager.transport = "ipc"
    config.KernelManager.ip = f"{sockets}/kernel"
    return {"config": config}
