"""What tests of pages share: a browser to open them in, their blocks, and their words without marks that do not print."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from impact.brief import compose
from impact.brief.page import present
from impact.brief.theme import LADDER
from impact.results.evaluation import Evaluation

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: no page is opened in a browser")


def plain(text: str) -> str:
    """Put plain spaces for those that hold words together, and take out marks at which words may break."""
    return text.replace("\u00a0", " ").replace("\u202f", " ").replace("\u200b", "")


def page_of(evaluation: Evaluation, language: str | None = None) -> dict[str, Any]:
    """Give the words of a record's brief, block by block, in the widest layout."""
    return present(compose(evaluation, language=language), LADDER[0])
