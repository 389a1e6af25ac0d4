"""Element 5, costs: by year and since the start, held against the accounts, and split by component."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from impact.dced.dossier import Dossier, Found
from impact.dced.rules.projections import same
from impact.dced.wording import listed
from impact.programme.types import Cost


def by_year(d: Dossier) -> Iterator[Found]:
    """Spending stands for every year since the start, in one currency, and its running total is their sum."""
    if not d.programme.costs:
        yield d.lacks("The cost ledger is empty.", "Enter what was spent, one line a year and component.", "file")
        return
    yield from _currencies(d)
    spent = spending(d)
    running, parts = 0.0, []
    for year in sorted(spent):
        running += spent[year]
        parts.append(f"{year}: {spent[year]:,.0f} (since the start {running:,.0f})")
    if parts:
        yield d.seen(f"Spent, in {d.programme.currency or 'a currency that is not stated'}: {listed(parts, most=10)}.",
                     d.programme.costs[0])
    empty = [str(year) for year in years(d) if year not in spent]
    if empty:
        yield d.lacks(f"No spending is entered for {listed(empty)}.", "Enter it; 0 where nothing was spent.",
                      record=d.programme.costs[0])
    for row in d.programme.accounts:
        total = sum(amount for year, amount in spent.items() if year <= row.year)
        if row.cumulative is not None and not same(total, row.cumulative):
            yield d.lacks(f"Up to {row.year} the ledger adds up to {total:,.0f}, but {row.cumulative:,.0f} is stated as "
                          "spent since the start.", "Find the line that is missing or counted twice.", "run_again",
                          record=row)


def complete(d: Dossier) -> Iterator[Found]:
    """The ledger of each year agrees with the accounts, and the accounts are on file."""
    spent = spending(d)
    known = {row.year for row in d.programme.accounts}
    for row in d.programme.accounts:
        if row.year in spent and same(spent[row.year], row.amount):
            yield d.seen(f"{row.year}: the ledger and the accounts both say {row.amount:,.0f}.", row)
        else:
            yield d.lacks(f"{row.year}: the ledger says {spent.get(row.year, 0):,.0f}, the accounts {row.amount:,.0f}.",
                          "Find what is missing in one of them.", "run_again", record=row)
        yield from d.proof(row.evidence, f"accounts of {row.year}", record=row)
    without = [str(year) for year in sorted(spent) if year not in known and f"{year}-12-31" <= d.today]
    if without:
        yield d.lacks(f"What the accounts say for {listed(without)} is not entered.",
                      "Enter it from the financial report, with its page.", "file")
    purposes = {c.purpose for c in _actual(d)}
    lacking = [p.replace("_", " ") for p in ("management", "results_measurement") if p not in purposes]
    if lacking and d.programme.costs:
        yield d.lacks(f"No spending is marked as {listed(lacking)}: a sign that costs are missing or not told apart.",
                      "Mark the purpose of each line.", record=d.programme.costs[0])


def by_component(d: Dossier) -> Iterator[Found]:
    """Every component has its costs; what is shared is split by a stated rule, and the parts add up to the whole."""
    rows = _actual(d)
    if not rows:
        yield d.lacks("No spending is entered, so none can be split.", "Enter the cost ledger first.", "file")
        return
    known = sorted({i.component for i in d.active if i.component})
    parts: dict[str, float] = defaultdict(float)
    for row in rows:
        parts[_component(d, row)] += amount_in(d, row) or 0
    bare = [name for name in known if name not in parts]
    odd = [name for name in parts if name and name not in known]
    if bare:
        yield d.lacks(f"No cost is entered for {listed(bare)}.", "Name the component of each line.", record=rows[0])
    if odd and known:
        yield d.lacks(f"Costs stand under {listed(odd)}, which no intervention belongs to.",
                      "Correct the name of the component, here or in the interventions.", record=rows[0])
    if "" in parts and not d.stated(d.conventions.allocation_rule):
        yield d.lacks(f"{parts['']:,.0f} belong to no component, and no rule says how shared costs are split.",
                      "Write the rule under conventions.allocation_rule.", record=d.conventions)
    told = listed((f"{name or 'shared'}: {value:,.0f}" for name, value in sorted(parts.items())), most=10)
    yield d.seen(f"{told}; together {sum(parts.values()):,.0f}.", rows[0])


def spending(d: Dossier) -> dict[int, float]:
    """Add up what was spent by year, in the programme's currency; lines without a rate are left out and told."""
    out: dict[int, float] = defaultdict(float)
    for row in _actual(d):
        amount = amount_in(d, row)
        if amount is not None:
            out[int(row.date[:4])] += amount
    return dict(out)


def years(d: Dossier) -> range:
    """Give the programme's years from its start to today or its end, the running one included."""
    first = d.programme.begins or min((c.date for c in d.programme.costs), default=d.today)
    last = min(d.today, d.programme.ends) if d.programme.ends else d.today
    return range(int(first[:4]), int(last[:4]) + 1)


def amount_in(d: Dossier, row: Cost) -> float | None:
    """Turn an amount into the programme's currency at the rate of its year; None where no rate is entered."""
    if row.currency in (None, d.programme.currency):
        return row.amount
    rate = next((r.rate for r in d.programme.rates if r.currency == row.currency and r.year == int(row.date[:4])), None)
    return None if rate is None else row.amount * rate


def _actual(d: Dossier) -> list[Cost]:
    return [c for c in d.programme.costs if c.kind == "actual" and c.date <= d.today]


def _component(d: Dossier, row: Cost) -> str:
    if row.component:
        return row.component
    return (d.programme.intervention(row.intervention).component or "") if row.intervention else ""


def _currencies(d: Dossier) -> Iterator[Found]:
    if d.programme.currency is None:
        yield d.lacks("The programme's currency is not stated.", "Fill in currency.")
    lost = [c for c in _actual(d) if amount_in(d, c) is None]
    pairs = sorted({f"{c.currency} {c.date[:4]}" for c in lost})
    if pairs:
        yield d.lacks(f"No exchange rate is entered for {listed(pairs)}.", "Enter it under rates, with its source.",
                      record=lost[0])
