"""Placeholder."""
from __future__ import annotations
from collections.abc import Iterator
from impact.brief.claims.types import Context
from impact.brief.model import Brief
from impact.results.evaluation import Evaluation
def texts(brief: Brief, evaluation: Evaluation) -> Iterator[tuple[str, Context, str, str]]:
    yield from ()
