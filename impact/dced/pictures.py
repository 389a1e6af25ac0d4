"""Results chains as the page draws them: every box coloured by what stands behind it."""

from __future__ import annotations

from impact.dced.study.case import Case
from impact.dced.types import ChainPicture, Step
from impact.study.types import Box, words


def study_chain(case: Case) -> tuple[ChainPicture, ...]:
    """Draw a study's chain: a box is measured where the record holds an estimate of its outcome from real data."""
    if not case.chain.boxes:
        return ()
    steps = tuple(_step(case, box) for box in case.chain.boxes)
    return (ChainPicture(title=words(case.study.title, case.study.brief.language), steps=steps),)


def _step(case: Case, box: Box) -> Step:
    outcome = case.outcome_of(box)
    ahead = tuple(arrow.target for arrow in case.chain.arrows if arrow.source == box.id)
    if not case.stated(box.indicator):
        bare = box.level == "activity"
        return Step(id=box.id, level=box.level, text=case.text(box.text), state="activity" if bare else "none",
                    leads_to=ahead, told="" if bare else "no indicator")
    if outcome is None or case.estimate(outcome.name) is None or case.simulated is not False:
        why = "simulated data" if outcome is not None and case.simulated else "not measured in this study"
        return Step(id=box.id, level=box.level, text=case.text(box.text), state="planned", leads_to=ahead,
                    told=f"indicator {box.indicator}: {why}")
    return Step(id=box.id, level=box.level, text=case.text(box.text), state="measured", leads_to=ahead,
                told=f"measured: {case.text(outcome.label)}")
