"""What one rule on a single study returns, and the small readings of a record that rules share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from impact.dced.types import EFFORTS, Effort, Gap
from impact.dced.wording import says_something, shorten
from impact.results.estimate import Estimate
from impact.results.evaluation import Evaluation, Flow
from impact.study.types import Arrow, Box, Outcome, ResultsChain, Study, Words, words


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one rule saw: sentences of evidence, gaps, and the key of results.json where to look."""

    where: str
    evidence: tuple[str, ...] = ()
    gaps: tuple[Gap, ...] = ()

    @classmethod
    def of(cls, where: str, found: Iterable[str | Gap]) -> Finding:
        """Sort what a rule found into evidence and gaps."""
        items = [item for item in found if item]
        return cls(where=where, evidence=tuple(i for i in items if isinstance(i, str)),
                   gaps=tuple(i for i in items if isinstance(i, Gap)))

    @property
    def effort(self) -> Effort | None:
        """What closing every gap takes: the dearest of them."""
        return max((gap.effort for gap in self.gaps), key=EFFORTS.index, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One saved record under examination; rules read it and nothing else."""

    evaluation: Evaluation

    @property
    def study(self) -> Study:
        """What the study file declares."""
        return self.evaluation.study

    @property
    def chain(self) -> ResultsChain:
        """The declared results chain; an empty one where the file has none."""
        return self.study.results_chain or ResultsChain()

    @property
    def simulated(self) -> bool | None:
        """Whether a program made the data: true if file or record says so, None if neither says anything."""
        said = (self.study.data.simulated, self.evaluation.provenance.simulated)
        return True if True in said else False if False in said else None

    @property
    def unit_nouns(self) -> tuple[str, str]:
        """The noun of one unit and of several."""
        one, several = (*self.study.design.unit_label, "units", "units")[:2]
        return self.text(one), self.text(several)

    def text(self, value: Words | None) -> str:
        """Give a text in the study's language, shortened so that a table stays a table."""
        return shorten(words(value, self.study.brief.language))

    def quote(self, value: Words | None) -> str:
        """Put a text of the study between quotation marks."""
        return f"“{self.text(value).rstrip('.')}”"

    def stated(self, value: Words | None) -> bool:
        """Tell whether a text says something: 'not stated', 'none' or 'TBD' do not."""
        return says_something(words(value, self.study.brief.language))

    def box(self, identifier: str) -> str:
        """Give the words of a box of the chain."""
        return next((self.text(box.text) for box in self.chain.boxes if box.id == identifier), identifier)

    def arrow(self, arrow: Arrow) -> str:
        """Name an arrow of the chain by its two ends."""
        return f"{arrow.source} → {arrow.target}"

    def outcome_of(self, box: Box) -> Outcome | None:
        """Find the declared outcome that a box names as its indicator."""
        return next((o for o in self.study.outcomes if box.indicator in (o.name, o.column)), None)

    def estimate(self, outcome: str) -> Estimate | None:
        """Find the primary method's estimate of an outcome, if the record has one."""
        return next((e for e in self.evaluation.estimates
                     if e.outcome == outcome and e.role in ("primary", "secondary")), None)

    def flow(self, outcome: str) -> Flow | None:
        """Find the flow of units behind an outcome, if the record has one."""
        return next((f for f in self.evaluation.flows if f.outcome == outcome), None)


Rule = Callable[[Case], Finding]


def fill_in(text: str, what: str) -> Gap:
    """Make a gap that a key of study.yaml closes."""
    return Gap(text=text, fix=f"Fill in {what} in study.yaml.")


def run_again(text: str, fix: str = "Run the study again with impact run.") -> Gap:
    """Make a gap that another run on the data at hand closes."""
    return Gap(text=text, fix=fix, effort="run_again")


def collect(text: str, fix: str) -> Gap:
    """Make a gap that only new data, documents or field work close."""
    return Gap(text=text, fix=fix, effort="collect")
