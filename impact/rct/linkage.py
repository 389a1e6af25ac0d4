"""Two rounds of workers held against each other: who stayed, left, moved and came, and what that makes of firms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from impact.data.frame import Selection, gaps_as_nan, listed, places
from impact.data.privacy import speakable
from impact.errors import DataError, Problem
from impact.inference.linear import Array, Codes
from impact.rct.assignment import drop_broken_pairs
from impact.rct.workers import check_firms

if TYPE_CHECKING:
    import pandas as pd

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workforce:
    """Two rounds of workers held against each other.

    Attributes
    ----------
    data : the table, with treatment, stratum and cluster of each row's firm. firm, treatment, worker, wage, traits, closed,
        strata, cluster : its columns; drawn : those of firm, treatment, stratum and cluster.
    at : (n,) 0 for rows of the baseline, 1 of the endline, −1 for rows left out; losses : masks, codes and words for why.
    pay, again : (n,) wage of the row; for rows of the baseline the same worker's at endline.
    named, person : (n,) whether the row has a worker's id; whether it stands for a worker at all (an id or a wage).
    who : (n,) masks: incumbents, stayers, leavers, movers, interviewed among rows of the baseline; hires, everyone among
        rows of the endline.
    firms : one row a firm of the study: treatment, stratum, cluster, whether it closed or was not found.
    """

    data: pd.DataFrame
    firm: str
    treatment: str
    worker: str
    wage: str
    traits: tuple[str, ...]
    closed: str | None
    strata: str | None
    cluster: str | None
    drawn: list[str]
    at: Codes
    losses: list[tuple[Mask, str, str]]
    pay: Array
    again: Array
    named: Mask
    person: Mask
    who: dict[str, Mask]
    firms: pd.DataFrame

    def arms(self) -> tuple[Mask, Mask]:
        """Whether each row's firm was offered the programme; whether it was not."""
        arm = self.data[self.treatment].to_numpy(dtype=float)
        return arm == 1, arm == 0

    def selection(self, units: str) -> Selection:
        """Return the rows that can be used at all, with losses counted in workers or in firms."""
        rows = Selection(self.data, units=units)
        for mask, reason, text in self.losses:
            rows.drop(mask, reason, text)
        return rows

    def keep_pairs(self, rows: Selection) -> None:
        """Leave out firms that lost the other half of the pair they were drawn in."""
        if self.strata is not None:
            drop_broken_pairs(rows, self.strata, self.treatment, self.cluster or self.firm)


def link_rounds(data: pd.DataFrame, round: str, before: Any, after: Any, *, firm: str, treatment: str, worker: str,
                wage: str, traits: tuple[str, ...], closed: str | None, strata: str | None,
                cluster: str | None) -> Workforce:
    """Hold the two rounds against each other, and refuse what cannot be linked."""
    data = gaps_as_nan(data, (firm, worker, round))
    at, losses = _rounds_of(data, round, before, after, firm)
    _check_workers(data[at >= 0], firm=firm, worker=worker, round=round)
    of_firm, pay, named = data[firm], data[wage].to_numpy(dtype=float), data[worker].notna().to_numpy()
    first, last = (data[named & (at == i)].set_index(worker) for i in (0, 1))
    home, now = data[worker].map(first[firm]), data[worker].map(last[firm])
    came = home.notna().to_numpy()
    nowhere = data[worker].isin(data.loc[losses[-1][0], worker]).to_numpy()  # at baseline, at a firm not written down
    elsewhere = (at == 1) & came & (of_firm != home).to_numpy()  # such a row may carry the treatment of either firm
    study = of_firm.isin(of_firm[at == 0]).to_numpy()
    losses.append(((at == 1) & ~study & ~came, "not_in_study", "neither followed from baseline nor at a firm of the study"))
    drawn = list(dict.fromkeys(name for name in (firm, treatment, strata, cluster) if name is not None))
    firms = _decided(data[(at >= 0) & study & ~elsewhere], drawn, firm, treatment, strata, cluster, closed)
    for name, reason in ((treatment, "treatment_missing"), *(((strata, "strata_missing"),) if strata else ())):
        gone = firms.index[firms[name].isna()] if name in firms else []
        losses.append((of_firm.isin(gone).to_numpy() & ~elsewhere, reason, f"{name} of the firm is missing"))
        firms = firms.drop(index=gone)
    here, person = of_firm.isin(firms.index).to_numpy(), named | ~np.isnan(pay)
    interviewed = (at == 0) & named & data[worker].isin(last.index).to_numpy()
    incumbent, everyone = (at == 0) & named & here, (at == 1) & person & here
    stayer = incumbent & (now == of_firm).to_numpy()
    mover = incumbent & ~stayer & now.isin(firms.index).to_numpy()
    again = np.where(interviewed, data[worker].map(last[wage]).to_numpy(dtype=float), np.nan)
    seen = firms.index.isin(of_firm[at == 1])
    shut = (firms[closed] == 1).to_numpy() if closed is not None else ~seen
    _check_shut(firms.index[shut], of_firm[everyone])
    firms = firms.assign(**{"not found": ~seen & ~shut})
    known = ~of_firm.isin(firms.index[firms["not found"]]).to_numpy()
    who = {"incumbents": incumbent, "stayers": stayer, "movers": mover, "interviewed": interviewed, "everyone": everyone,
           "leavers": incumbent & ~stayer & (known | mover | ~np.isnan(again)),
           "hires": everyone & named & (home != of_firm).to_numpy() & ~nowhere}
    data = data.assign(**{name: of_firm.astype(object).map(firms[name]) for name in drawn[1:]})
    return Workforce(data=data, firm=firm, treatment=treatment, worker=worker, wage=wage, traits=traits, closed=closed,
                     strata=strata, cluster=cluster, drawn=drawn, at=at, losses=losses, pay=pay, again=again, named=named,
                     person=person, who=who, firms=firms)


def _decided(rows: pd.DataFrame, drawn: list[str], firm: str, treatment: str, strata: str | None, cluster: str | None,
             closed: str | None) -> pd.DataFrame:
    """One row a firm with what was decided for all of it."""
    if cluster is not None and cluster != firm:
        rows = rows.assign(**{cluster: rows[cluster].fillna(rows.groupby(firm)[cluster].transform("first"))})
    check_firms(rows, firm=firm, treatment=treatment, strata=strata, cluster=cluster)
    firms = rows.groupby(firm)[drawn[1:]].first()
    return firms if closed is None else firms.assign(**{closed: rows.groupby(firm)[closed].max()})


def _check_shut(shut: pd.Index[Any], of_firm: pd.Series[Any]) -> None:
    busy = shut[shut.isin(of_firm)]
    if len(busy):
        raise DataError(Problem(where="closed", what=f"{len(busy)} firms closed and have workers at endline "
                                f"({listed(speakable(busy))})", cure="Correct one or the other."), source="data")


def _check_workers(data: pd.DataFrame, *, firm: str, worker: str, round: str) -> None:
    """Refuse a worker who stands in two rows of one round, at one firm or at two."""
    known = data[data[worker].notna()]
    pairs = known.loc[known.duplicated([worker, round], keep=False)].groupby([worker, round])[firm].nunique(dropna=False)
    problems = []
    for several, what, cure in ((False, "stand in more than one row", "Keep one row for each worker and round."),
                                (True, "stand at two firms", "Keep the main job; where each firm numbers its workers anew, "
                                 "put the firm's id before theirs.")):
        found = pairs.index[(pairs > 1) == several]
        if len(found):
            names = [f"{w} in {r}" for w, r in zip(speakable(found.get_level_values(0)), found.get_level_values(1),
                                                   strict=True)]
            problems.append(Problem(where=f"columns '{worker}' and '{round}'", what=f"{len(found)} workers {what} of one "
                                    f"round ({listed(names)})", cure=cure))
    if problems:
        raise DataError(problems, source="data")


def _rounds_of(data: pd.DataFrame, round: str, before: Any, after: Any,
               firm: str) -> tuple[Codes, list[tuple[NDArray[np.bool_], str, str]]]:
    """Tell baseline (0) from endline (1); leave out (−1) rows of neither and rows of the baseline without a firm."""
    values = data[round]
    absent = [value for value in (before, after) if not (values == value).any()]
    if before == after or absent:
        what = "before and after name the same round" if before == after else f"no row has the value {_shown(absent)}"
        raise DataError(Problem(where=f"column '{round}'", what=what, cure="Give before= and after=, the values of the two "
                                f"rounds; found: {_shown(values.dropna().unique().tolist())}."), source="data")
    at = np.full(len(data), -1, dtype=np.int64)
    at[places(values == before)], at[places(values == after)] = 0, 1
    unknown, lost = values.isna().to_numpy(), (at == 0) & data[firm].isna().to_numpy()
    losses = [(unknown, "round_missing", f"{round} is missing"),
              (~unknown & (at < 0), "other_round", f"{round} is neither {before} nor {after}"),
              (lost, "firm_missing", f"{firm} is missing at baseline")]
    return np.where(lost, -1, at), losses


def _shown(values: list[Any]) -> str:
    """List values so that the number 0 and the text '0' look different."""
    return listed(repr(value) for value in values)


def sum_to_firms(force: Workforce) -> pd.DataFrame:
    """Add workers up to their firms: heads, wage bills, traits, who left and who came."""
    data, firm, firms, who = force.data, force.firm, force.firms, force.who
    start = (force.at == 0) & force.person & data[firm].isin(firms.index).to_numpy()

    def mean(name: str, mask: Mask) -> pd.Series[Any]:
        return data[mask].groupby(firm)[name].mean().astype(float).reindex(firms.index)

    def heads(mask: Mask) -> pd.Series[Any]:
        return data[mask].groupby(firm).size().astype(float).reindex(firms.index, fill_value=0.0)

    count, wage = [heads(start), heads(who["everyone"])], [mean(force.wage, start), mean(force.wage, who["everyone"])]
    bills = [(n * m).where(n > 0, 0.0) for n, m in zip(count, wage, strict=True)]
    columns = {"wage_bill before": bills[0], "wage_bill": bills[1], "employment before": count[0], "employment": count[1],
               "stayers_baseline before": mean(force.wage, who["incumbents"]),
               "stayers_baseline": mean(force.wage, who["stayers"]),
               "separation_rate": 1 - heads(who["stayers"]) / heads(who["incumbents"]).replace(0, np.nan),
               "hiring_rate": heads(who["hires"]) / count[0].replace(0, np.nan)}
    for name in force.traits:
        columns |= {f"workforce_{name} before": mean(name, start), f"workforce_{name}": mean(name, who["everyone"])}
    out = firms[[]].assign(**columns)
    late = [name for name in columns if not name.endswith(" before")]
    out.loc[firms["not found"], late] = np.nan
    return out
