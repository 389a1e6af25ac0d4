"""What each method's number is an average of, and by which weights, in words; no two of these sentences are the same."""

from __future__ import annotations

CELLS = ("effects by first treated period and calendar period, each measured from the last period before treatment")
IMPUTED = ("treated observations, each less what the unit and period effects of all untreated observations predict for it")
INTERACTED = ("effects by first treated period and period since treatment, from one regression against units never "
              "treated (or treated last)")
QUESTIONS: dict[str, dict[str, str]] = {
    "group_time_att": {
        "simple":
            f"the average effect on treated units: {CELLS} against units untreated by then, weighted by the number of "
            "units first treated at that time",
        "dynamic":
            f"the average over periods since first treatment, each counting the same, of {CELLS}, weighted by number of "
            "units",
        "group":
            f"the average effect on treated units, each unit counting once however long it is seen treated: {CELLS}, "
            "averaged within each first treated period and then by number of units",
        "calendar":
            f"the average over calendar periods, each counting the same, of {CELLS} on units treated by then, weighted by"
            " number of units",
    },
    "imputation": {
        "simple":
            f"the average effect on treated units: {IMPUTED}, each observation with equal weight",
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
            "the average effect on treated units in the periods since they were first treated, with the weights of two-"
            "way fixed effects: most for cohorts treated half of the time; some may be negative",
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
            "window, weighted by their numbers of treated units (trimmed aggregate ATT)",
        "variance":
            "the average of the effects at horizons 0 to {}, each counting the same, on cohorts seen in the whole "
            "window, weighted as the regression's variance weighs them, which is no average of units",
    },
    "two_by_two": {
        "panel":
            "the average effect, in the second period, on units first treated between the two periods, each unit (or its"
            " weight) counting once",
        "rows":
            "the average effect, in the second period, on units first treated between the two periods, each row surveyed"
            " then (or its weight) counting once",
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
