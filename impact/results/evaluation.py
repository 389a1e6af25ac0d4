"""The record of one evaluation: all a brief or an audit needs, and no row of data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from impact.results.cleaning import Cleaning
from impact.results.estimate import Caveat, Dropped, Estimate, tidy
from impact.results.money import MoneyFigure
from impact.study.types import Study

if TYPE_CHECKING:
    import pandas as pd

    from impact.results.plots import Plot

Verdict = Literal["pass", "concern", "fail", "not_applicable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One examined assumption or property of the data.

    ``word`` is what a reader sees ('examined', 'not examined', 'balanced'); ``measured`` and ``threshold`` are
    in the unit ``measure`` names; ``reason`` is one sentence; ``source`` the paper or rule.
    """

    id: str
    title: str
    verdict: Verdict
    word: str
    reason: str
    measured: float | None = None
    threshold: float | None = None
    measure: str = ""
    outcome: str = ""
    source: str = ""
    details: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """How many units and rows are left at one point of the flow, in all and by arm."""

    name: Literal["enrolled", "assigned", "found", "analysed"]
    units: int
    rows: int
    treated: int | None = None
    comparison: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """The way of units from the file to one estimate; every loss between two stages has its reasons."""

    outcome: str
    stages: tuple[Stage, ...] = field(default=(), metadata={"of": Stage})
    losses: tuple[Dropped, ...] = field(default=(), metadata={"of": Dropped})

    def stage(self, name: str) -> Stage:
        """Look a stage up by its name."""
        return next(s for s in self.stages if s.name == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendPoint:
    """Mean of an outcome in one group and period, in the outcome's own unit, with the rows behind it."""

    outcome: str
    group: str
    period: str
    mean: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What made this record: enough to make it again."""

    toolkit: str
    study_sha256: str
    data_sha256: str
    data_label: str
    data_rows: int
    data_columns: int
    seed: int
    simulated: bool | None = None
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Study, flow of units, estimates, checks, trends and provenance of one evaluation.

    ``estimates`` holds, for each outcome in declared order, the primary method first (role primary or secondary) and what
    stands beside it: role robustness, bounds, subgroup, index, derived (of a money outcome), or part (a further row of a
    method). ``cleaning`` is how outcomes were made before anything was estimated, ``money`` what effects cost.
    """

    study: Study
    flows: tuple[Flow, ...] = field(default=(), metadata={"of": Flow})
    estimates: tuple[Estimate, ...] = field(default=(), metadata={"of": Estimate})
    checks: tuple[Check, ...] = field(default=(), metadata={"of": Check})
    trends: tuple[TrendPoint, ...] = field(default=(), metadata={"of": TrendPoint})
    caveats: tuple[Caveat, ...] = field(default=(), metadata={"of": Caveat})
    cleaning: tuple[Cleaning, ...] = field(default=(), metadata={"of": Cleaning})
    money: tuple[MoneyFigure, ...] = field(default=(), metadata={"of": MoneyFigure})
    provenance: Provenance = field(metadata={"of": Provenance})

    def __repr__(self) -> str:
        mains = "\n".join(str(self.main(o.name)) for o in self.study.primaries)
        return (f"Evaluation of {self.study.slug}: {len(self.estimates)} estimates, {len(self.checks)} checks, "
                f"{len(self.caveats)} caveats\n{mains}")

    @property
    def headline(self) -> Estimate:
        """The primary method's effect on the first declared primary outcome."""
        return self.main(self.study.primaries[0].name)

    def main(self, outcome: str) -> Estimate:
        """Return the primary method's estimate for one outcome."""
        return next(e for e in self.estimates if e.outcome == outcome and e.role in ("primary", "secondary"))

    def robustness(self, outcome: str) -> tuple[Estimate, ...]:
        """Return the other methods' estimates for one outcome."""
        return tuple(e for e in self.estimates if e.outcome == outcome and e.role == "robustness")

    def flow(self, outcome: str) -> Flow:
        """Return the flow of units behind one outcome."""
        return next(f for f in self.flows if f.outcome == outcome)

    def estimate(self, identifier: str) -> Estimate:
        """Look an estimate up by its id: ``scrap_rate/two_way_fixed_effects``."""
        return next(e for e in self.estimates if e.id == identifier)

    def tidy(self) -> pd.DataFrame:
        """All estimates as a table."""
        return tidy(self.estimates)

    def plot(self, outcome: str | None = None) -> Plot:
        """Draw the raw means of one outcome by group over time, with the start of treatment.

        Parameters
        ----------
        outcome : its name in the study; None takes the first primary outcome that has means.

        Raises
        ------
        ValueError
            When the record holds no means of it.
        """
        from impact.results.plots import cohort_trends

        return cohort_trends(self, outcome)
