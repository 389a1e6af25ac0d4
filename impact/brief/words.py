"""Every sentence the tool writes into a brief, by key. A language is one dictionary; gaps are {names}, filled once.

No sentence says more than a comparison does: differences are 'higher' or 'lower', and an interval that holds zero is
something the data cannot tell, never an absence of effect.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_GAP = re.compile(r"\{(\w+)\}")

ENGLISH: dict[str, str] = {
    # stamps, on every page
    "stamp.draft": "DRAFT: not for citation", "stamp.simulated": "SIMULATED DATA",
    "stamp.provisional": "PROVISIONAL",
    # section heads
    "head.key": "In brief", "head.challenge": "The challenge and what was done",
    "head.method": "How we know",
    "head.chain": "How it was meant to work, and what this study measured",
    "head.effects": "What was found", "head.table": "Results in full",
    "head.trends": "How the groups went over time", "head.benchmark": "Beside a known answer",
    "head.methods": "Other methods, same outcome", "head.costs": "Value for money",
    "head.checks": "How the checks came out", "head.limits": "What this study cannot say",
    "head.lessons": "What it means for practice", "head.flow": "From enrolled to analysed",
    "head.ethics": "Ethics and data", "head.sources": "Sources", "head.provenance": "Check this brief",
    # small words
    "series.default": "Evidence brief",
    "not_stated": "not stated",
    "none": "none",
    "none_given": "none given",
    "not_reported": "not reported",
    "and_more": "and {n} more in results.json",
    "and": " and ",
    "stop": ".",
    "page": "Page {n} of 2",
    "record": "record {hash}",
    "money": "{currency} {x}",
    "number": "{x}",
    "pair": "{name}: {text}",
    "from_to": "{first} to {last}",
    "day": "{day} {month} {year}",
    "month.01": "January", "month.02": "February", "month.03": "March", "month.04": "April",
    "month.05": "May", "month.06": "June", "month.07": "July", "month.08": "August",
    "month.09": "September", "month.10": "October", "month.11": "November", "month.12": "December",
    # facts about the study
    "fact.programme": "Programme", "fact.country": "Country", "fact.period": "Period",
    "fact.design": "Design", "fact.who": "Who", "fact.estimand": "Estimand", "fact.estimator": "Estimator",
    "fact.assumption": "It rests on", "fact.data": "Data", "fact.loss": "Loss", "fact.reached": "Reached",
    "design.rct": "Randomised trial", "design.did": "Difference-in-differences",
    "design.matching": "Matched comparison",
    "design.line": "{design}: {compared}", "design.rule": "{design} ({rule} draw): {compared}",
    "compared": "{treated} set against {comparison}",
    "compared.did": "{treated}, followed before and after, set against {comparison}",
    "rule.simple": "simple", "rule.blocked": "blocked", "rule.clustered": "clustered",
    "rule.pairs": "paired",
    "group.rct.treated": "{units} offered the programme", "group.rct.comparison": "{units} not offered it",
    "group.late.treated": "{units} that took part because of the offer",
    "group.late.comparison": "the same {units} without it",
    "group.encouraged.treated": "{units} that took part because they were encouraged",
    "group.encouraged.comparison": "the same {units} without it",
    "group.arm.treated": "{units} in the arm {one}", "group.arm.comparison": "{units} in the arm {zero}",
    "group.factor.treated": "{units} offered {one}", "group.factor.comparison": "{units} not offered {one}",
    "group.market.treated": "{units} of clusters that took part, invited or not",
    "group.market.comparison": "{units} of clusters not drawn",
    "group.dose.treated": "{units} with a larger dose",
    "group.dose.comparison": "{units} with a smaller one, drawn by lot",
    "group.quantile.treated": "{units} offered the programme, at their {one}",
    "group.quantile.comparison": "{units} not offered it, at theirs",
    "group.worker.treated": "{units} whose firm was offered the programme",
    "group.worker.comparison": "{units} whose firm was not",
    "group.did.treated": "{units} in the programme", "group.did.comparison": "comparison {units}",
    "group.did.never_treated": "{units} never in it", "group.did.not_yet_treated": "{units} not in it yet or never",
    "group.matching.treated": "{units} in the programme",
    "group.matching.comparison": "similar {units} outside it",
    "who.split":
        "{n} {units} analysed for the first outcome: {treated} in the programme group, {comparison} "
        "in the comparison",
    "who": "{n} {units} analysed for the first outcome",
    "who.one": "{n} {units} in the first comparison: {treated} with {one}, {comparison} without",
    "who.dose": "{n} {units} analysed for the first outcome: {treated} with a dose, {comparison} with none",
    "who.market":
        "{n} {units} analysed for the first outcome: {treated} in clusters that took part, {comparison} in others",
    "estimand.att": "Average difference for the {units} in the programme (ATT)",
    "estimand.atc": "Average difference for the {units} outside the programme, had they been in it (ATC)",
    "estimand.ate": "Average difference over all {units} studied (ATE)",
    "estimand.itt": "Average difference between offered and not offered, taken up or not (ITT)",
    "estimand.late":
        "Average difference for {units} that took up the programme because of the offer (LATE)",
    "estimand.encouraged":
        "Average difference taking part made for {units} that took part because they were encouraged (LATE)",
    "estimand.arm": "Average difference between the arms {one} and {zero}, taken up or not (ITT)",
    "estimand.factor":
        "Average difference that being offered {one} made, over {units} with and without the other offers (main effect)",
    "estimand.market":
        "Average difference for each eligible {unit} of the clusters that took part, invited or not (total effect)",
    "estimand.dose": "Average difference made by one more unit of {dose}, drawn by lot",
    "estimand.quantile":
        "Difference between the {one} of {units} offered and of {units} not offered (quantile effect); not the "
        "effect on the {unit} that stands there",
    "estimand.worker.worker":
        "Average difference for a {unit} of the firm's being offered, each {unit} counting once (ITT)",
    "estimand.worker.firm":
        "Average over firms of the difference for their {units} of being offered, each firm counting once (ITT)",
    "estimand.rounds": "Average difference between offered and not offered over the rounds after, taken up or not (ITT)",
    "estimand.shift": "One shift for every {unit}: the median difference between an offered {unit} and one not offered",
    "estimand.ever": "{estimand}; ever treated: once in, a {unit} counts as in",
    "estimator": "{method}; errors clustered by {level}", "estimator.unit": "{method}; errors by {unit}",
    "estimator.rank": "{method}; judged by its rank among placebo areas, without a standard error",
    "method.two_way_fixed_effects": "Two-way fixed effects", "method.two_by_two": "Two groups, two periods",
    "method.difference_in_means": "Difference in means", "method.ols": "Least squares",
    "method.ancova": "Regression on the baseline (ANCOVA)", "method.lin": "Interacted regression (Lin)",
    "method.late": "Take-up instrumented by the offer", "method.poisson": "Poisson regression",
    "method.multi_arm": "Several arms, one regression", "method.factorial": "Crossed offers, all cells",
    "method.spillover": "Clusters drawn, then units inside", "method.saturation": "Shares drawn for clusters",
    "method.pooled_rounds": "Rounds pooled", "method.encouragement": "Take-up instrumented by encouragement",
    "method.dose_response": "Outcome over the dose", "method.post_double_selection": "Post-double-selection",
    "method.quantile_effects": "Differences of quantiles", "method.ratio_effect": "Share of the comparison mean",
    "method.attrition_weighted": "Weighted for those not found", "method.exact_share_test": "Exact test of two shares",
    "method.rank_test": "Rank test", "method.worker_effects": "Workers of firms",
    "method.nearest_neighbour": "Nearest-neighbour matching", "method.group_time_att": "Group-time effects",
    "method.imputation": "Imputation", "method.sun_abraham": "Sun–Abraham event study",
    "method.stacked": "Stacked comparisons", "method.event_study": "Event study, two-way fixed effects",
    "method.triple_difference": "Triple difference", "method.synthetic_control": "Synthetic control",
    "method.synthetic_did": "Synthetic difference-in-differences", "method.lee_bounds": "Bounds on losses (Lee)",
    "method.manski_bounds": "Bounds on losses (Manski)", "method.subgroups": "Effects by group",
    "method.optimal_pairs": "Optimal pairs", "method.full_matching": "Full matching",
    "method.matched_did": "Matched difference-in-differences", "method.plain_did": "Plain difference-in-differences",
    "method.lagged_matching": "Matching on the outcome before", "method.exact": "Exact matching",
    "method.coarsened_exact": "Coarsened exact matching", "method.subclassification": "Classes of the propensity score",
    "method.regression_adjustment": "Regression by group",
    "method.inverse_probability": "Inverse-probability weighting",
    "method.entropy_balance": "Entropy balancing", "method.aipw": "Doubly robust weighting (AIPW)",
    "data.simulated": "Simulated: no real {units}",
    "data.package": "Data set {dataset} of the package {package}",
    "data.file": "File {file}", "data.size": "{data}; {rows} rows",
    "loss.unknown": "No flow of units in the record",
    "reached": "{total} reached, not analysed",
    "reached.split": "{total} ({women} women, {men} men): reached, not analysed",
    "reached.women": "{total} ({women} women): reached, not analysed",
    "reached.men": "{total} ({men} men): reached, not analysed",
    "challenge.absent": "The challenge: not stated.",
    "done.absent": "What was done: not stated.",
    # effects in words
    "size.lower": "{x} lower", "size.higher": "{x} higher",
    "size.same": "no difference to the last digit shown",
    "range.both": "from {low} to {high}", "range.below": "with no bound below, up to {high}",
    "range.above": "from {low}, with no bound above", "range.none": "with no bound below or above",
    "range.pieces": "in {n} pieces: {pieces}", "range.or": "; or ", "range.missing": "no interval", "range.two": "two",
    "signed.both": "{low} to {high}", "signed.below": "no bound below, up to {high}",
    "signed.above": "from {low}, no bound above", "signed.none": "no bound below or above",
    "signed.pieces.short": "in {n} pieces",
    "interval": "{level} interval",
    "full": "{value} ({range})",
    "points": "points",
    # verdicts
    "verdict.favourable": "favourable", "verdict.unfavourable": "unfavourable",
    "verdict.unclear": "could not tell",
    "verdict.corrected": "could not tell once corrected for several outcomes",
    "verdict.disagree": "comparisons disagree: no one number",
    "verdict.too_few": "too few clusters to say", "verdict.no_interval": "no interval to judge by",
    "legend.favourable": "favourable", "legend.unfavourable": "unfavourable",
    "legend.unclear": "could not tell", "legend.too_few": "too few clusters to say",
    "legend.no_interval": "no interval", "legend.or": " or ", "legend.primary": "Bold: primary outcome",
    # title and bottom line
    "title.clear": "{label}: {size} among {treated}",
    "title.unclear": "{label} among {treated}: the data cannot tell, {range}",
    "title.corrected": "{label} among {treated}: the data cannot tell once several outcomes are tested",
    "title.disagree": "{label} among {treated}: the comparisons disagree, no one number can be told",
    "title.too_few": "{label} among {treated}: too few clusters to say",
    "title.no_interval": "{label}: {size} among {treated}, with no interval to judge it by",
    "title.part.clear": "{label}: {size}", "title.part.unclear": "{label}: the data cannot tell, {range}",
    "title.part.corrected": "{label}: the data cannot tell",
    "title.part.disagree": "{label}: the comparisons disagree",
    "title.part.too_few": "{label}: too few clusters to say",
    "title.part.no_interval": "{label}: {size}, no interval",
    "title.many": "Of {n} primary outcomes, {good} favourable and {bad} unfavourable",
    "title.many.open": "on {n} the data cannot tell", "title.many.few": "on {n} too few clusters to say",
    "title.many.none": "{n} without an interval",
    "line.compared": "{n} {units} analysed: {compared}.", "line.unfavourable": "Unfavourable: {labels}.",
    "line.clear": "{label}: {size} ({level} interval {range}), {verdict}.",
    "line.unclear":
        "{label}: best estimate {size}, {level} interval {range}; the data cannot tell higher from "
        "lower.",
    "line.corrected":
        "{label}: best estimate {size}, {level} interval {range}; not clear of zero once several "
        "outcomes are tested.",
    "line.disagree":
        "{label}: {size} by matched differences ({level} interval {range}); the comparisons beside it disagree, and none "
        "of them may be told alone.",
    "line.too_few": "{label}: best estimate {size}; too few clusters to say.",
    "line.no_interval": "{label}: {size}, with no interval.",
    # key box
    "key.clear.lead": "{label}: {size}.",
    "key.clear": "The {level} interval runs {range}. {better} is better, so this is {verdict}.",
    "key.unclear.lead": "{label}: the data cannot tell.",
    "key.unclear":
        "The best estimate is {size}, the {level} interval runs {range}. This is not evidence that "
        "nothing changed.",
    "key.corrected.lead": "{label}: the data cannot tell once several outcomes are tested.",
    "key.corrected": "The best estimate is {size}, the {level} interval runs {range}; corrected p = {p}.",
    "key.disagree.lead": "{label}: the comparisons disagree.",
    "key.disagree":
        "Matched differences give {size} ({level} interval {range}); differences without matching, or matching on the "
        "outcome before, give another answer. All three stand on page 2; none may be told alone.",
    "key.too_few.lead": "{label}: too few clusters to say.",
    "key.too_few":
        "The best estimate is {size}; with so few clusters neither it nor an interval around it can be "
        "relied on.",
    "key.no_interval.lead": "{label}: {size}, with no interval.",
    "key.no_interval": "Without an interval the size of the uncertainty is not known.",
    "better.higher": "Higher", "better.lower": "Lower",
    "key.others.lead": "Of {n} secondary outcomes, {k} clear of zero{corrected}.",
    "key.others.mixed.lead": "Of {n} secondary outcomes, {k} clear of zero{corrected}, {bad} of them unfavourable.",
    "key.others.none.lead": "Of {n} secondary outcomes, none is clear of zero{corrected}.",
    "key.one.lead": "The one secondary outcome is {state}{corrected}.",
    "key.one.clear": "clear of zero", "key.one.unclear": "not clear of zero",
    "key.one.corrected": "not clear of zero",
    "key.one.disagree": "open, the comparisons disagree",
    "key.one.too_few": "open, too few clusters to say",
    "key.one.no_interval": "without an interval",
    "key.corrected.words": " after correction", "key.corrected.not": "",
    "key.other": "{label}: {size} ({range})", "key.more": "{n} more",
    "key.others.open": "{labels}: the data cannot tell.",
    "key.others.few": "{labels}: too few clusters to say.", "key.others.few.count": "On {n} too few clusters to say.",
    "key.others.no_interval": "{labels}: no interval.", "key.others.no_interval.count": "{n} without an interval.",
    "key.benchmark.lead": "Beside a known answer.",
    "key.benchmark":
        "{label}: {value}. This study: {ours}, {difference} from it; its {level} interval {inside} that answer.",
    "key.benchmark.plain": "{label}: {value}. This study: {ours}.",
    "key.benchmark.units": "{label}: {value} {unit}; another unit or scale than here, so no difference is taken.",
    "key.primaries.lead": "The other {n} primary outcomes.", "key.provisional.lead": "PROVISIONAL.",
    "key.limit.lead": "First limit.",
    # tiles
    "tile.note": "{level} interval {range}: {verdict}", "tile.note.no_interval": "no interval to judge by",
    "tile.against": "{note}; against {comparison}", "tile.horizon": "{note}, {horizon}",
    "tile.provisional": "PROVISIONAL; {note}", "tile.analysed": "{n} of {enrolled}",
    "tile.analysed.label": "{units} analysed",
    "tile.analysed.note": "{lost} left out, for the reasons below", "tile.whole.note": "none left out",
    "tile.base.label": "{label}, comparison mean", "tile.unit.note": "{unit}",
    "tile.base.other": "{label}, {base}",


    # chain
    "chain.clear": "measured and clear", "chain.adverse": "measured and clear, unfavourable",
    "chain.unclear": "measured, could not tell", "chain.too_few": "measured, too few clusters to say",
    "chain.no_interval": "measured, no interval", "chain.unmeasured": "not measured",
    "chain.absent": "Not stated: the study file declares no results chain.",
    "chain.more": "{n} further steps are in the study file.",
    # figure and table
    "axis.percent": "Difference in per cent, with {level} confidence interval",
    "axis.sd": "Difference in standard deviations of each outcome, with {level} confidence interval",
    "axis.none": "No common scale: each difference is given in its own unit",
    "axis.lower": "lower", "axis.higher": "higher", "axis.column": "Difference ({level} interval)",
    "axis.column.unit": "Difference ({level} interval), own unit",
    "alt.effects": "Chart of differences with intervals. {rows}",
    "alt.effects.row": "{label}: {effect}, {verdict}.", "alt.trends": "Line chart of {outcome}. {series}",
    "alt.benchmark": "{label}: {value}. This study: {effect}.",
    "table.outcome": "Outcome", "table.comparison": "Comparison mean", "table.effect": "Difference",
    "table.interval": "{level} interval", "table.p": "p", "table.p_adjusted": "Adj. p",
    "table.percent": "In %", "table.missing": "n/a",
    "table.hidden": "{shown} of {n} secondary outcomes shown; the others are in results.json.",
    "read.estimand": "{estimand}.", "read.base": "Comparison mean: {label}.",
    "read.base.of": "Comparison mean of {outcomes}: {label}.", "read.geometric": "Comparison means are geometric.",
    "read.geometric.of": "Geometric mean (logs): {outcomes}.",
    "read.parts": "Also in results.json: {terms}.", "and_more.short": "{n} more",
    "read.card": "Standard errors: {card}.", "read.family": "Adjusted p: {family}.",
    "read.log": "Effects estimated in logs are shown in per cent.",
    "read.provisional": "PROVISIONAL: {text}",
    "read.provisional.short": "PROVISIONAL figures: the reason stands under what this study cannot say.",
    "read.calls": "To remake: {calls}.",
    "field.std_error": "standard error", "field.p_value": "p",
    "field.conf_low": "lower end of the interval", "field.conf_high": "upper end of the interval",
    "field.comparison_mean": "comparison mean", "field.df": "degrees of freedom",
    "figure.more": "{n} further outcomes are in the table on page 2.",
    "read.missing": "{label}, {what}: {why}.",
    # trends, benchmark, methods
    "trend.plain": "Means of {outcome}, {unit}.",
    "trend.two": "Means, {unit}. Before: baseline column {column}; after: {outcome}.",
    "benchmark.ours": "This study",
    "benchmark.difference":
        "Estimate minus benchmark: {difference}. The {level} interval {inside} the benchmark.",
    "benchmark.others": "The other methods' answers lie from {low} to {high} of it.",
    "benchmark.plain": "Estimate minus benchmark: {difference}.", "benchmark.inside": "includes",
    "benchmark.outside": "does not include",
    "benchmark.units": "The benchmark and the estimate are not in one unit or scale: no difference is taken.",
    "benchmark.source": "Benchmark: {source}.",
    "methods.options": "{method}: {options}", "methods.with": "{option} {value}", "methods.on": "with {option}",
    "methods.asked": "{method}: {what}, another question",
    "asked.offer": "effect of the offer", "asked.complier": "effect of taking part",
    "asked.arm": "{one} against {zero}", "asked.factor": "main effect of {one}",
    "asked.market": "invited or not", "asked.dose": "for each unit of {dose}",
    "asked.association": "for each unit of {dose}, an association only", "asked.quantile": "{one}",
    "asked.worker": "each firm counting once", "asked.shift": "one shift for all",
    "methods.off": "no {option}", "methods.main": "{method} (main)",
    "methods.none": "No other method was declared.",
    # costs
    "cost.participant": "Cost per participant", "cost.participant.taker": "Cost per participant (takers)",
    "cost.total": "Total cost", "cost.participants": "Participants", "cost.absent": "Costs",
    "cost.note": "{currency}, {year} prices. What the outcomes are worth in money was not estimated.",
    "cost.note.absent": "Without costs nothing can be said on value for money.",
    # checks, limits, lessons
    "checks.none": "No check is in the record.",
    "limit.check": "Checks of concern: {checks}.", "limit.unexamined": "Not examined: {checks}.",
    "limit.check.first": "{title}: {word}. {reason}", "limit.check.short": "{title}: {word}.",
    "check": "{title} ({word})",
    "limit.outcome": "{label}: {text}", "limit.absent": "Not stated in the study file: {names}.",
    "limit.none": "No caveat is in the record; that does not show that there is none.",
    "absent.donor": "donor", "absent.costs": "costs", "absent.ethics": "ethics",
    "absent.consent": "consent", "absent.chain": "results chain", "absent.source": "source of the data",
    "absent.reached": "number reached",
    "lessons.none": "None stated.",
    "lesson": "rests on {finding}: {verdict}",
    # flow
    "flow.enrolled": "enrolled", "flow.assigned": "assigned", "flow.found": "outcome known",
    "flow.analysed": "analysed",
    "flow.split": "{treated} programme, {comparison} comparison",
    "flow.caption": "{units}, first primary outcome", "flow.loss": "{text} ({n} {units})",
    "flow.loss.rows": "{text} ({n} rows)", "flow.none": "No flow of units is in the record.",
    "flow.left": "Left out: {losses}.", "flow.left.none": "None left out.",
    # the Standard
    "standard.title": "DCED Standard, version {version}: what this study puts on file (self-check)",
    "standard.title.none": "DCED Standard: self-check",
    "standard.note":
        "A self-check that counts evidence on file; it rates nothing. Control points are paraphrased "
        "and have not been verified against the published Standard.",
    "standard.note.verified": "A self-check that counts evidence on file; it rates nothing.",
    "standard.none": "No self-check was run for this record.", "standard.short": "{n} of {checked} on file",
    "standard.long": "evidence on file for {n} of the {checked} items checked",
    "standard.not_examined": "not examined in one study",
    # ethics, sources, provenance
    "ethics.consent": "Consent", "ethics.approval": "Approval", "ethics.registration": "Registration",
    "ethics.data": "Data",
    "source.data": "Data: {source}.", "source.data.absent": "Source of the data: not stated.",
    "source.authors": "Authors: {authors}.", "source.donor": "Donor: {donor}.",
    "source.project": "Project number: {number}.", "source.benchmark": "Benchmark: {source}.",
    "source.check": "{title}: {source}.",
    "proof.record": "Record", "proof.data": "Data", "proof.study": "Study", "proof.toolkit": "Toolkit",
    "proof.seed": "Seed", "proof.command": "Remake", "proof.date": "Date", "proof.hash": "SHA-256 {hash}…",
    "contact.none": "contact not stated",
}

LANGUAGES: Mapping[str, Mapping[str, str]] = {"en": ENGLISH}


def sentence(key: str, language: str) -> str:
    """Return the sentence of a key, gaps open."""
    return LANGUAGES[language][key]


def fill(template: str, values: Mapping[str, str]) -> str:
    """Fill the gaps of a sentence in one pass: what fills a gap is never itself searched for gaps."""
    return _GAP.sub(lambda gap: values[gap[1]], template)
