"""The units a matching estimate compares: columns checked, rows kept, covariates as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from impact.data.frame import Selection, as_names, check_columns, holds_words, listed, require_columns, transformed
from impact.errors import DataError, DesignError, ImpactError, Problem
from impact.inference.linear import Array, Codes
from impact.inference.report import is_share
from impact.results import Caveat, Dropped
from impact.study.schema import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

ASSUMPTIONS = (
    "Given the listed covariates, who took part is unrelated to how they would have fared without.",
    "For each participant there are comparable others.",
    "One unit's participation does not change another unit's outcome.",
)
QUESTIONS = {
    "att": "the average effect on those who took part",
    "atc": "the average effect on those who did not take part, had they done so",
    "ate": "the average effect over all units in the data",
}
ONE_CLUSTER = "with one cluster chance cannot be told from the programme"
MOST_WORDS = 30  # distinct words beyond which a text column is more likely a name than a trait


class Given(Protocol):
    """What is needed of a score handed over: :class:`impact.matching.PropensityScore`."""

    @property
    def frame(self) -> pd.DataFrame: ...  # noqa: D102
    @property
    def rows(self) -> Codes: ...  # noqa: D102
    @property
    def treated(self) -> Array: ...  # noqa: D102
    @property
    def score(self) -> Array: ...  # noqa: D102
    @property
    def kept(self) -> np.ndarray[Any, np.dtype[np.bool_]]: ...  # noqa: D102
    @property
    def learner(self) -> str: ...  # noqa: D102
    @property
    def folds(self) -> int: ...  # noqa: D102
    @property
    def dropped(self) -> tuple[Dropped, ...]: ...  # noqa: D102
    @property
    def caveats(self) -> tuple[Caveat, ...]: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """Rows of one comparison.

    Attributes
    ----------
    rows : which rows of the table are used, and why others are not.
    y, raw : (n,) outcome on the scale of analysis, and as it came. treated : (n,) of 0 and 1.
    x : (n, p) covariates that vary, text as one 0/1 column a word. columns : the covariate behind each column.
    encoded : text covariates. left_out : covariates with one value on every row.
    cluster, clusters : column of those who were chosen together, and its codes (n,), or None.
    given : (n,) score that was handed over, or None; said : what must be said of it.
    """

    rows: Selection
    outcome: str
    treatment: str
    covariates: tuple[str, ...]
    transform: str
    y: Array
    raw: Array
    treated: Array
    x: Array
    columns: tuple[str, ...]
    encoded: tuple[str, ...]
    left_out: tuple[str, ...]
    cluster: str | None = None
    clusters: Codes | None = None
    given: Array | None = None
    said: tuple[Caveat, ...] = ()

    @property
    def share(self) -> bool:
        """Whether the outcome is a yes/no."""
        return is_share(self.raw)

    def caveats(self) -> list[Caveat]:
        """Say what became of covariates that could not serve as they came."""
        out = list(self.said)
        if self.left_out:
            out.append(Caveat(code="covariates_left_out", text=f"{listed(self.left_out)}: one value on every row used, so "
                              "that nobody can be told apart by it.", values=(("covariates", len(self.left_out)),)))
        return out + said_encoded(self.encoded)


def select_units(data: pd.DataFrame, *, outcome: str | None, treatment: str, covariates: Sequence[str],
                 exact: Sequence[str] = (), transform: str = "none", numeric: bool = True,
                 cluster: str | None = None, score: Given | None = None) -> Units:
    """Check columns, leave out rows that cannot be used, and lay the rest out.

    Parameters
    ----------
    outcome : column, or None where only the covariates matter (the treatment then stands for it).
    score : estimated beforehand from the same table; rows without one are left out.
    numeric : whether covariates serve as numbers; without, they are compared as they stand (exact matching).

    Raises
    ------
    DataError
        Missing columns, numbers mixed with text, a treatment that is not 0/1.
    DesignError
        Nothing to match on, or one arm only.
    """
    covariates, exact = as_names(covariates), as_names(exact)
    if not covariates:
        raise DesignError(Problem(where="covariates", what="there is nothing to match on",
                                  cure="List columns measured before treatment."), source="design")
    require_columns(data, outcome=outcome, treatment=treatment, covariates=covariates, exact=exact, cluster=cluster)
    measured = () if outcome is None else (outcome,)
    twice = [Problem(where=f"column '{name}'", what=f"it is the {role} and a covariate too", cure="It cannot be both.")
             for name, role in ((outcome, "outcome"), (treatment, "treatment")) if name in (*covariates, *exact)]
    if twice:
        raise DataError(twice, source="data")
    words = tuple(c for c in covariates if in_words(data, c)) if numeric else ()
    check_columns(data, numbers=(*measured, *(c for c in covariates if numeric and c not in words)), zero_one=(treatment,),
                  complete=() if cluster is None else (cluster,))
    rows = Selection(data)
    for name, reason in ((treatment, "treatment"), *((c, "outcome") for c in measured),
                         *((c, "covariate") for c in covariates), *((c, "exact") for c in exact)):
        rows.drop(data[name].isna(), f"{reason}_missing", f"{name} is missing")
    chance = None if score is None else handed_over(rows, score, treatment)
    outcome = treatment if outcome is None else outcome
    treated, raw = rows.numbers(treatment), rows.numbers(outcome)
    need_both_arms(treated, rows.dropped)
    x, columns = as_numbers(rows, covariates, words) if numeric else (np.empty((len(raw), 0)), ())
    varies = np.array([np.ptp(column) > 0 for column in x.T], dtype=bool)
    columns = tuple(c for c, kept in zip(columns, varies, strict=True) if kept)
    if numeric and not columns:
        raise DesignError(Problem(where="covariates", what=f"{listed(covariates)}: one value on every row used",
                                  cure="List columns in which units differ."), source="design")
    return Units(rows=rows, outcome=outcome, treatment=treatment, covariates=covariates, transform=transform, raw=raw,
                 y=transformed(raw, transform, outcome, rows.kept.nonzero()[0]), treated=treated, x=x[:, varies],
                 columns=columns, encoded=words, cluster=cluster,
                 clusters=None if cluster is None else rows.codes(cluster),
                 given=None if chance is None else chance[rows.kept], said=() if score is None else said_given(score),
                 left_out=tuple(c for c in covariates if (c not in columns if numeric else rows.codes(c).max() == 0)))


def handed_over(rows: Selection, score: Given, treatment: str) -> Array:
    """Lay a score out over the table, (rows of the table,), and leave out those it has none for: trimmed, or not estimated.

    Raises
    ------
    DesignError
        A score of another table or of another treatment.
    """
    if score.frame is not rows.data and not score.frame.equals(rows.data):
        raise DesignError(Problem(where="score", what="it was estimated from another table",
                                  cure="Give both the same table: units that were trimmed are left out by themselves."),
                          source="design")
    if not np.array_equal(rows.data[treatment].to_numpy(dtype=float)[score.rows], score.treated):
        raise DesignError(Problem(where="score", what=f"it is the chance of another treatment than '{treatment}'",
                                  cure="Estimate the score of the treatment compared."), source="design")
    out = np.full(len(rows.data), np.nan)
    out[score.rows[score.kept]] = score.score[score.kept]
    for lost in score.dropped:
        gone = np.zeros(len(out), dtype=bool)
        gone[np.asarray(lost.rows, dtype=np.int64) - 1] = True
        rows.drop(gone, lost.reason, lost.text)
    return out


def said_given(score: Given) -> tuple[Caveat, ...]:
    """Say where a score handed over comes from, and of whom it leaves the number to speak."""
    folds = "" if score.folds == 1 else f", each row by a fit without its fold of {score.folds}"
    return (Caveat(code="score_given", text=f"The chance of taking part was estimated beforehand ({score.learner}{folds}); "
                   "the error takes it as known.", values=(("folds", score.folds),)),
            *(caveat for caveat in score.caveats if caveat.code == "trimmed_scores"))


def said_encoded(names: Sequence[str]) -> list[Caveat]:
    """Say which covariates are text, and by which rule they are entered."""
    return [Caveat(code="covariates_encoded", text=f"{listed(names)}: text, entered as one yes/no column for each of its "
                   "words.", values=(("covariates", len(names)),))] if names else []


def in_words(data: pd.DataFrame, name: str) -> bool:
    """Whether a covariate is text to be encoded; refuse one with too many words."""
    if not holds_words(data, name):
        return False
    found = data[name].dropna().nunique()
    if found > MOST_WORDS:
        raise DataError(Problem(where=f"column '{name}'", what=f"it holds {found} different words, more than {MOST_WORDS}",
                                cure="Group them into a few kinds, or match exactly on them."), source="data")
    return True


def as_numbers(rows: Selection, covariates: Sequence[str], words: Sequence[str]) -> tuple[Array, tuple[str, ...]]:
    """Covariates as columns of numbers: a text column becomes one 0/1 column for each of its words, in sorted order."""
    parts, names = [], []
    for name in covariates:
        if name not in words:
            parts.append(rows.numbers(name)[:, None])
        else:
            text = rows.column(name).astype(str).to_numpy(dtype=object)
            parts.append(np.column_stack([text == word for word in sorted(set(text))]).astype(float))
        names += [name] * parts[-1].shape[1]
    return np.column_stack(parts), tuple(names)


def continuous(x: Array) -> int:
    """How many columns take more than two values."""
    return sum(len(np.unique(column)) > 2 for column in x.T)


def need_both_arms(treated: Array, dropped: Sequence[Dropped] = ()) -> None:
    """Refuse data of one arm, and say which rows were left out before."""
    if len(treated) and treated.min() < treated.max():
        return
    arm = "treated" if treated.sum() else "comparison"
    what = f"all {len(treated)} units are {arm}" if len(treated) else "no row is left"
    lost = "; ".join(f"{d.text} ({d.n_rows} rows)" for d in dropped)
    raise DesignError(Problem(where="treatment", what=what + (f": left out were {lost}" if lost else ""),
                              cure="An effect needs units of both kinds." + (
                                  " Leave out a column that is empty for them, or fill it in." if lost else "")),
                      source="design")


def need_enough_units(units: Units) -> None:
    """Refuse more covariates than units of an arm: such a score or distance describes the sample, not who took part."""
    count = units.x.shape[1] - len(units.encoded)
    problems = [Problem(where="covariates", what=f"{count} covariates for {size} {word} unit{'' if size == 1 else 's'}",
                        cure="List only the few covariates that decide who takes part and matter for the outcome.")
                for word, size in (("treated", int(units.treated.sum())), ("comparison", int((1 - units.treated).sum())))
                if count > size]
    if problems:
        raise DesignError(problems, source="design")


def cells_of(rows: Selection, names: Sequence[str]) -> Codes | None:
    """Codes of the groups in which columns are equal, or None without columns."""
    if not names:
        return None
    return joint_codes([rows.codes(c) for c in names])


def joint_codes(columns: Sequence[Codes]) -> Codes:
    """Number the combinations of several columns of codes."""
    table = np.column_stack(columns)
    return np.asarray(np.unique(table, axis=0, return_inverse=True)[1]).ravel().astype(np.int64)


def check_flag(name: str, value: Any) -> None:
    """Refuse what is neither True nor False: a word such as 'no' would count as yes."""
    if value is not None and not isinstance(value, bool):
        raise ValueError(f"{name} must be True or False, not {value!r}")


def check_choice(name: str, value: Any, allowed: Sequence[str]) -> None:
    """Refuse a keyword that is not one of the words allowed."""
    if value not in allowed:
        near = did_you_mean(value, allowed)
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {value!r}" + (f". {near}" if near else ""))


def need_scikit_learn(learner: str) -> None:
    """Refuse a learner of scikit-learn, with the line to type, where the package is not installed."""
    try:
        import_module("sklearn")
    except ImportError:
        raise ImpactError(Problem(where="scikit-learn", what="this package is not installed",
                                  cure="Type: python -m pip install scikit-learn"), source=f"learner '{learner}'") from None
