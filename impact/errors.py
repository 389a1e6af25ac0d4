"""Errors a user can cure: each one says where, what is wrong and how to put it right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing to mend.

    Parameters
    ----------
    where : str
        Place in the user's words: ``"line 3, design.kind"``, ``"column 'profit'"``.
    what : str
        What is wrong there, as a sentence without its full stop.
    cure : str
        What to do about it; empty when ``what`` says it already.
    """

    where: str
    what: str
    cure: str = ""

    def __str__(self) -> str:
        tail = f" {self.cure}" if self.cure else ""
        stop = "" if self.what.endswith((".", "?", "!")) else "."
        return f"{self.where}: {self.what}{stop}{tail}"


class ImpactError(Exception):
    """Base of all errors meant for users; holds every problem found, not only the first.

    Parameters
    ----------
    problems : iterable of Problem
        All problems of one input, in the order a reader meets them.
    source : str
        The file or object they belong to.
    """

    exit_code = 2

    def __init__(self, problems: Iterable[Problem] | Problem, *, source: str = "") -> None:
        self.problems: tuple[Problem, ...] = (
            (problems,) if isinstance(problems, Problem) else tuple(problems)
        )
        self.source = source
        super().__init__(str(self))

    def __str__(self) -> str:
        count = len(self.problems)
        head = f"{self.source or 'input'}: {count} problem{'' if count == 1 else 's'}"
        return "\n".join([head, *(f"  {problem}" for problem in self.problems)])

    @property
    def reason(self) -> str:
        """What is wrong, without cures, as the end of a sentence; columns are named."""
        return "; ".join(f"{p.where}: {p.what}" if p.where.startswith("column") else p.what for p in self.problems)


class StudyError(ImpactError):
    """The study file cannot be read or does not say what it must."""


class DataError(ImpactError):
    """The data do not agree with the study file."""


class DesignError(ImpactError):
    """The effect asked for cannot be estimated from these data."""


class RenderError(ImpactError):
    """A brief, page or notebook could not be made or written."""

    exit_code = 3
