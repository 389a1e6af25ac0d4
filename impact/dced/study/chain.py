"""Rules on what the study file declares of its results chain and its indicators."""

from __future__ import annotations

from impact.dced.graph import counted, faults
from impact.dced.study.case import Case, Finding, fill_in, run_again
from impact.dced.wording import keys, listed, plural
from impact.study.types import Words

CHAIN = "study.declared.results_chain"


def own_chain(case: Case) -> Finding:
    """The study's intervention has a written chain: boxes, and arrows between them."""
    boxes, arrows = case.chain.boxes, case.chain.arrows
    if not boxes:
        said = "is set to null" if case.study.state("results_chain") == "null" else "is not stated"
        return Finding(where=CHAIN, gaps=(fill_in(
            f"The results chain {said} in the study file.",
            "results_chain: (boxes from activity to impact, and the arrows between them)"),))
    seen = (f"This intervention's chain is written down: {plural(len(boxes), 'box', 'boxes')} ({counted(boxes)}) and "
            f"{plural(len(arrows), 'arrow')}.",)
    gaps = () if arrows else (fill_in("No arrow joins the boxes.", "results_chain.arrows: {from: …, to: …}"),)
    return Finding(where=f"{CHAIN}.boxes", evidence=seen, gaps=gaps)


def steps(case: Case) -> Finding:
    """The chain, read as a graph, leads from every activity to an impact without a break, jump or circle."""
    if not case.chain.boxes:
        return Finding(where=CHAIN, gaps=(fill_in("There is no chain to follow.", "results_chain:"),))
    wrong = faults(case.chain.boxes, case.chain.arrows)
    if wrong:
        return Finding(where=f"{CHAIN}.arrows", gaps=(fill_in(
            " ".join(wrong), "the missing boxes and arrows under results_chain:, so that every activity leads "
                              "step by step to an impact,"),))
    count = sum(box.level == "activity" for box in case.chain.boxes)
    return Finding(where=f"{CHAIN}.arrows", evidence=(
        f"{'The activity leads' if count == 1 else f'All {count} activities lead'} step by step to an impact: all "
        "four levels are there, no box stands alone, no arrow jumps a level or closes a circle. Whether the logic "
        "is right is for people to judge.",))


def links_evidence(case: Case) -> Finding:
    """Every arrow of the chain cites the evidence it rests on."""
    return _arrows_with(case, "evidence", "with its evidence cited", " Whether it is adequate is for people to judge.")


def assumptions(case: Case) -> Finding:
    """Every arrow of the chain has its assumption written."""
    return _arrows_with(case, "assumption", "with its assumption written")


def _arrows_with(case: Case, key: str, phrase: str, tail: str = "") -> Finding:
    arrows = case.chain.arrows
    if not arrows:
        return Finding(where=CHAIN, gaps=(fill_in(f"There is no arrow whose {key} could be written.",
                                                  f"results_chain.arrows:, each arrow with its {key},"),))

    def value(index: int) -> Words | None:
        return arrows[index].assumption if key == "assumption" else arrows[index].evidence

    have = [i for i in range(len(arrows)) if case.stated(value(i))]
    lack = [i for i in range(len(arrows)) if i not in have]
    quoted = "; ".join(f"{case.arrow(arrows[i])} {case.quote(value(i))}" for i in have[:3])
    seen = f"{plural(len(arrows), 'arrow')}, {len(have)} {phrase}: {quoted}.{tail}"
    gap = fill_in(f"Not written for {len(lack)} of {plural(len(arrows), 'arrow')}: "
                  f"{listed(case.arrow(arrows[i]) for i in lack)}.", keys("results_chain.arrows", lack, key))
    return Finding(where=f"{CHAIN}.arrows", evidence=(seen,) if have else (), gaps=(gap,) if lack else ())


def every_step(case: Case) -> Finding:
    """Every box above activity names an indicator."""
    above = [(i, box) for i, box in enumerate(case.chain.boxes) if box.level != "activity"]
    if not above:
        return Finding(where=CHAIN, gaps=(fill_in("The chain has no box above activity, so no change to measure.",
                                                  "results_chain.boxes:, each output, outcome and impact with its "
                                                  "indicator,"),))
    named = [box for _, box in above if case.stated(box.indicator)]
    lack = [i for i, box in above if box not in named]
    measured = [box.id for box in named if case.outcome_of(box) is not None]
    seen = (f"{len(named)} of {plural(len(above), 'box', 'boxes')} above activity {_has(len(named))} an indicator. "
            f"Measured in this study: {listed(measured) or 'none'}.",)
    gap = fill_in(f"No indicator for {listed(case.chain.boxes[i].id for i in lack)}.",
                  keys("results_chain.boxes", lack, "indicator"))
    return Finding(where=f"{CHAIN}.boxes", evidence=seen if named else (), gaps=(gap,) if lack else ())


def _has(count: int) -> str:
    return "has" if count == 1 else "have"


def precise(case: Case) -> Finding:
    """Every indicator of the chain is a declared outcome with its unit, and the population is stated."""
    outcomes = case.study.outcomes
    named = [box for box in case.chain.boxes if case.stated(box.indicator)]
    loose = [box.indicator or "" for box in named if case.outcome_of(box) is None]
    intervention = case.study.intervention
    target = intervention.target_group if intervention else None
    units = listed((f"{case.text(o.label)} ({case.text(o.unit)})" for o in outcomes), most=4)
    evidence = [f"{plural(len(outcomes), 'outcome')} defined, with unit and the direction that is good: {units}."]
    gaps = []
    if not named:
        gaps.append(fill_in("No box of the chain names an indicator, so none can be held against its step.",
                            "results_chain.boxes[…].indicator"))
    if loose:
        gaps.append(run_again(f"Not defined as an outcome with its unit: {listed(loose)}.",
                              "Declare it under outcomes: in study.yaml with its unit, if the data hold it, and run "
                              "again."))
    if case.stated(target):
        evidence.append(f"Population: {case.quote(target)}.")
    else:
        gaps.append(fill_in("The population the indicators refer to is not stated.", "intervention.target_group"))
    return Finding(where="study.declared.outcomes", evidence=tuple(evidence), gaps=tuple(gaps))
