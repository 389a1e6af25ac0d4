"""What a study file declares, after validation: frozen, with units, and with what was left unsaid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from impact.study.construction import Construction, FirmStatus, Prices
from impact.study.costs import Costs
from impact.study.promises import Plan, Target
from impact.study.wording import BriefSettings

Words = str | tuple[tuple[str, str], ...]
State = Literal["given", "null", "absent"]
ChainLevel = Literal["activity", "output", "outcome", "impact"]  # of a step of a results chain, from first to last
CHAIN_LEVELS: tuple[ChainLevel, ...] = get_args(ChainLevel)
ROW_NUMBER = "row_number"
# options that a study declares elsewhere too: null takes that away, where of others it is the method's own choice
TAKEN_AWAY = ("baseline", "cluster", "covariates", "strata", "weights")


def words(value: Words | None, language: str = "en") -> str:
    """Pick the text of one language; English, then any, where it is missing.

    Parameters
    ----------
    value : text, or pairs (language, text), or None.
    language : "en", "fr" or "es".
    """
    if value is None or isinstance(value, str):
        return value or ""
    table = dict(value)
    return table.get(language) or table.get("en") or next(iter(table.values()), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """The programme the study belongs to."""

    name: Words
    country: Words
    sector: Words | None = None
    donor: Words | None = None
    project_number: str | None = None
    period: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """People or firms reached by the programme; reached is not analysed."""

    total: float | None = None
    women: float | None = None
    men: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervention:
    """What was done, for whom, how much of it."""

    description: Words | None = None
    target_group: Words | None = None
    dose: Words | None = None
    reached: Reached | None = field(default=None, metadata={"of": Reached})


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One step of the results chain."""

    id: str
    level: ChainLevel
    text: Words
    indicator: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    """One link of the results chain, with the assumption it rests on."""

    source: str = field(metadata={"key": "from"})
    target: str = field(metadata={"key": "to"})
    assumption: Words | None = None
    evidence: Words | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsChain:
    """How the programme is meant to work, step by step."""

    boxes: tuple[Box, ...] = field(default=(), metadata={"of": Box})
    arrows: tuple[Arrow, ...] = field(default=(), metadata={"of": Arrow})


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource:
    """Where the data are: a data set of a package, or a file in the study's folder."""

    package: str | None = None
    dataset: str | None = None
    file: str | None = None
    simulated: bool | None = None
    source: Words | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstTreatedRule:
    """First treated in the first period in which a yearly 0/1 column is 1."""

    first_period_of: str
    later_zeros: Literal["stay_treated", "refuse"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """How treatment was drawn in a trial, and the record that proves it."""

    rule: Literal["simple", "blocked", "clustered", "pairs"] | None = None
    strata: str | None = None
    cluster: str | None = None
    probability: float | None = None
    record: Words | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How units were sampled; not the same as how treatment was assigned."""

    stratum: str | None = None
    psu: str | None = None
    weight: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """The comparison that identifies the effect."""

    kind: Literal["rct", "did", "matching"]
    estimand: Literal["att", "atc", "ate", "itt", "late"]
    unit: str
    assigned_by: str
    unit_label: tuple[Words, ...] = ("unit", "units")
    time: str | None = None
    first_treated: str | FirstTreatedRule | None = None
    treatment: str | None = None
    comparison: Literal["never_treated", "not_yet_treated"] | None = None
    firm: str | None = None
    weighting: Literal["worker", "firm"] | None = None
    covariates: tuple[str, ...] = ()
    treated_on: str | None = None  # a date, a year, or a column of them; so too each value of measured_on
    measured_on: tuple[tuple[str, str], ...] = ()
    assignment: Assignment | None = field(default=None, metadata={"of": Assignment})
    sampling: Sampling | None = field(default=None, metadata={"of": Sampling})

    @property
    def ever_treated(self) -> bool:
        """Whether a treatment that switches off is declared to count as lasting."""
        rule = self.first_treated
        return isinstance(rule, FirstTreatedRule) and rule.later_zeros == "stay_treated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One measured outcome, its unit, and whether higher or lower is better."""

    name: str
    column: str
    label: Words
    unit: Words
    role: Literal["primary", "secondary"]
    better: Literal["higher", "lower"]
    transform: Literal["none", "log", "asinh", "log1p"] | None = None
    baseline: str | None = None
    measured: Words | None = None  # when: the horizon of its effect, as readers will see it
    target: Target | None = field(default=None, metadata={"of": Target})
    equivalence: tuple[float, float] | None = None  # ends of the differences that count as none, in the outcome's unit
    construction: Construction | None = field(default=None, metadata={"of": Construction})

    @property
    def constructed(self) -> str:
        """Name of the column its construction makes."""
        return f"_{self.name}"

    @property
    def is_log(self) -> bool:
        """Whether the outcome is analysed in natural logs, so that effects read in per cent."""
        return self.transform == "log"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLabel:
    """What readers see for one value of a subgroup's column."""

    value: str | float
    label: Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Subgroup:
    """A subgroup contrast declared before the results."""

    name: str
    column: str
    label: Words
    groups: tuple[GroupLabel, ...] = field(default=(), metadata={"of": GroupLabel})


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodCall:
    """A method of impact.<kind> with its keywords."""

    method: str
    options: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Outcomes that make one promise together: how their p-values are adjusted, and the index that sums them up."""

    name: str
    outcomes: tuple[str, ...]
    adjust: Literal["holm", "benjamini_hochberg", "sharpened_q", "westfall_young", "romano_wolf"]
    index: Literal["inverse_covariance", "mean"] | None = None
    label: Words | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """What hidden causes are judged by: outcomes the programme cannot have changed, and measured traits as a yardstick."""

    negative_controls: tuple[str, ...] = ()
    benchmarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """The plan: the primary method, its robustness checks, families of outcomes, the level of confidence, the seed."""

    primary: MethodCall = field(metadata={"of": MethodCall})
    seed: int
    robustness: tuple[MethodCall, ...] = field(default=(), metadata={"of": MethodCall})
    families: tuple[Family, ...] = field(default=(), metadata={"of": Family})
    sensitivity: Sensitivity | None = field(default=None, metadata={"of": Sensitivity})
    conf_level: float = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Ethics:
    """Consent, approval and registration, as stated."""

    consent: Words | None = None
    approval: Words | None = None
    registration: Words | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSource:
    """Where a trial's own rows are, and how its answer is made of them: for a benchmark that each run makes again."""

    outcome: str
    treatment: str
    package: str | None = None
    dataset: str | None = None
    file: str | None = None
    method: str = "difference_in_means"
    covariates: tuple[str, ...] = ()
    strata: str | None = None
    cluster: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A known answer to hold the estimate against, with its source."""

    value: float
    unit: Words
    label: Words
    source: Words
    trial: TrialSource | None = field(default=None, metadata={"of": TrialSource})


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One declared evaluation.

    ``declared`` is the file's own content after validation (plain values), kept so that a record can be read
    back; ``absent`` lists the optional keys that the file does not have: not stated, so an audit gap.
    """

    slug: str
    title: Words
    question: Words
    programme: Programme = field(metadata={"of": Programme})
    data: DataSource = field(metadata={"of": DataSource})
    design: Design = field(metadata={"of": Design})
    outcomes: tuple[Outcome, ...] = field(metadata={"of": Outcome})
    analysis: Analysis = field(metadata={"of": Analysis})
    brief: BriefSettings = field(metadata={"of": BriefSettings})
    schema: int = 1
    status: Literal["draft", "final"] = "draft"
    intervention: Intervention | None = field(default=None, metadata={"of": Intervention})
    results_chain: ResultsChain | None = field(default=None, metadata={"of": ResultsChain})
    firm_status: FirmStatus | None = field(default=None, metadata={"of": FirmStatus})
    prices: Prices | None = field(default=None, metadata={"of": Prices})
    subgroups: tuple[Subgroup, ...] = field(default=(), metadata={"of": Subgroup})
    plan: Plan | None = field(default=None, metadata={"of": Plan})
    costs: Costs | None = field(default=None, metadata={"of": Costs})
    ethics: Ethics | None = field(default=None, metadata={"of": Ethics})
    benchmark: Benchmark | None = field(default=None, metadata={"of": Benchmark})
    absent: tuple[str, ...] = ()
    declared: Mapping[str, Any] = field(default_factory=dict, repr=False)
    folder: Path | None = field(default=None, compare=False)
    transformed: tuple[Outcome, ...] = ()  # outcomes in asinh or log(1 + y): shown in two currency units, never alone
    lines: Mapping[str, int] = field(default_factory=dict, repr=False, compare=False)  # of the keys under analysis

    def __repr__(self) -> str:
        outcomes = ", ".join(f"{o.name} ({o.role})" for o in self.outcomes)
        return (f"Study {self.slug}: {words(self.title)}\n  {self.design.kind}, estimand {self.design.estimand}, method "
                f"{self.analysis.primary.method}; outcomes {outcomes}")

    @property
    def primaries(self) -> tuple[Outcome, ...]:
        """The declared primary outcomes, in the file's order."""
        return tuple(o for o in self.outcomes if o.role == "primary")

    def outcome(self, name: str) -> Outcome:
        """Look an outcome up by its name."""
        return next(o for o in self.outcomes if o.name == name)

    def state(self, path: str) -> State:
        """Tell whether an optional key was given, set to null, or left out: ``programme.donor``."""
        value: Any = self.declared
        for part in path.split("."):
            if value is None:
                return "null"
            if not isinstance(value, Mapping) or part not in value:
                return "absent"
            value = value[part]
        return "null" if value is None else "given"


def build(cls: type, mapping: Mapping[str, Any]) -> Any:
    """Make a frozen type from validated plain values; null and absent keys take the type's default."""
    if not is_dataclass(cls):
        raise TypeError(f"{cls} is not a dataclass")
    given: dict[str, Any] = {}
    for f in fields(cls):
        value = mapping.get(f.metadata.get("key", f.name))
        if value is None:
            continue
        nested = f.metadata.get("of")
        if nested is None:
            given[f.name] = _frozen(value)
        elif isinstance(value, list):
            given[f.name] = tuple(build(nested, item) for item in value)
        else:
            given[f.name] = build(nested, value)
    return cls(**given)


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, Mapping):
        kept = ((k, v) for k, v in value.items() if v is not None or k in TAKEN_AWAY)
        return tuple((k, _frozen(v)) for k, v in kept)
    return value
