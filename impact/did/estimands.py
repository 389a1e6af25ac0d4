"""What each method's number is an average of, and by which weights, in words; no two of these sentences are the same."""

from __future__ import annotations

CELLS = "effects by first treated period and calendar period, each measured from {base} against {others}"
IMPUTED = ("treated observations, each less what the unit and period effects of all untreated observations predict for it")
INTERACTED = ("effects by first treated period and period since treatment, from one regression against units never "
              "treated (or treated last)")
QUESTIONS: dict[str, dict[str, str]] = {
    "group_time_att": {
        "simple":
            "the average effect on treated units: {cells}, weighted by the {size} first treated at that time",
        "dynamic":
            "the average over periods since first treatment, each counting the same, of {cells}, weighted by the {size}",
        "group":
            "the average effect on treated units, however long they are seen treated: {cells}, averaged within each first "
            "treated period and then by the {size}",
        "calendar":
            "the average over calendar periods, each counting the same, of {cells}, on units treated by then, weighted by "
            "the {size}",
    },
    "imputation": {
        "simple":
            f"the average effect on treated units: {IMPUTED}, each observation counting once",
        "dynamic":
            f"the average over periods since treatment, each counting the same, of {IMPUTED}",
        "group":
            "the average effect on treated units over their treated periods, each group counted by its mean number of "
            f"observations a period: {IMPUTED}",
        "calendar":
            f"the average over calendar periods, each counting the same, of {IMPUTED}",
    },
    "sun_abraham": {
        "simple":
            f"the average effect on treated units: {INTERACTED}, weighted by each cohort's share of the treated "
            "observations",
        "dynamic":
            f"the average over periods since treatment, each counting the same, of {INTERACTED}, cohorts weighted by "
            "their shares of the observations at that distance",
        "group":
            "the average effect on treated units over their treated periods, each group counted by its mean number of "
            f"observations a period: {INTERACTED}",
        "calendar":
            f"the average over calendar periods, each counting the same, of {INTERACTED}, cohorts weighted by their "
            "shares of the observations in it",
    },
    "two_way_fixed_effects": {
        "":
            "the average effect on treated units in the periods since they were first treated, against all units that do "
            "not start then, with the weights of two-way fixed effects: most for cohorts treated half of the time; some "
            "may be negative",
        "as_coded":
            "the average effect in the periods in which treatment is on, taken to end when it is switched off, with the "
            "weights of two-way fixed effects, some of which may be negative",
    },
    "event_study": {
        "":
            "the average of the effects by periods since treatment, each counting the same; within each, cohorts have "
            "the weights of one two-way fixed effects regression, which may mix in other distances",
    },
    "stacked": {
        "corrected":
            "the average of the effects at horizons 0 to {}, each counting the same, on cohorts seen in the whole "
            "window, against {others}, weighted by their numbers of treated units (trimmed aggregate ATT)",
        "variance":
            "the average of the effects at horizons 0 to {}, each counting the same, on cohorts seen in the whole "
            "window, against {others}, weighted as the regression's variance weighs them, which is no average of units",
    },
    "two_by_two": {
        "panel":
            "the average effect, in the second period, on units first treated between the two periods, against {others}, "
            "each unit (or its weight) counting once",
        "rows":
            "the average effect, in the second period, on units first treated between the two periods, against {others}, "
            "each row surveyed then (or its weight) counting once",
    },
    "poisson": {
        "":
            "the ratio by which treatment changed the mean outcome of treated units in the periods since they were first"
            " treated, weighted as Poisson regression weighs them: more where outcomes are large",
    },
    "triple_difference": {
        "":
            "the average effect on affected units of the treated group since its start, each observation with the weight"
            " of least squares, net of what happened to unaffected units there and of the same gap in the comparison "
            "group",
    },
}


def group_time_question(kind: str, *, control_group: str, anticipation: float = 0, season: int | None = None,
                        weighted: bool = False, rows: bool = False) -> str:
    """Say what an average of group-time effects is of, as it was asked for; ``rows`` where no unit is followed."""
    ahead = f"{anticipation:.12g} period{'s' * (anticipation != 1)}"
    base = ("the latest earlier period of the same season" if season is not None else "the last period before treatment")
    base += f", leaving out {ahead} of anticipation," if anticipation else ""
    others = "units never treated" if control_group == "never_treated" else (
        f"units untreated by then and in the next {ahead}" if anticipation else "units untreated by then")
    size = "weights of the units" if weighted else f"number of {'rows' if rows else 'units'}"
    return QUESTIONS["group_time_att"][kind].replace("{cells}", CELLS.replace("{base}", base).replace(
        "{others}", others)).replace("{size}", size)


def two_by_two_question(kind: str, control_group: str) -> str:
    """Say what a two-by-two difference is of; ``kind`` is "panel" or "rows"."""
    return QUESTIONS["two_by_two"][kind].replace("{others}", "units never treated" if control_group == "never_treated"
                                                 else "units untreated in both periods")


def stacked_question(kind: str, last: int, control_group: str) -> str:
    """Say what a stacked average up to the horizon ``last`` is of; ``kind`` is "corrected" or "variance"."""
    return QUESTIONS["stacked"][kind].replace("{}", str(last)).replace(
        "{others}", "units never treated" if control_group == "never_treated" else "units untreated through the window")


def horizon_question(value: float, anticipation: float = 0) -> str:
    """Say in words what an effect at one horizon answers; within ``anticipation`` the programme may already act."""
    size = f"{abs(value):.12g} period{'s' * (abs(value) != 1)}"
    if value == 0:
        return "the average effect in the period of first treatment, on units observed then"
    if value > 0:
        return f"the average effect {size} after first treatment, on units observed that long"
    if value >= -anticipation:
        return f"the average effect {size} before treatment, when units may already have acted on what they expected"
    return (f"the difference {size} before treatment, where there can be no effect: how far treated units had already "
            "moved apart")
