"""The self-check in a notebook: a small table of counts, without script or style of its own page."""

from __future__ import annotations

from html import escape

from impact.dced.report import words
from impact.dced.types import VERDICTS, Audit, ChainPicture

_COLOURS = {"measured": "#EAF2F4;border:2px solid #123C5E", "planned": "#FDF1DC;border:2px solid #944A02",
            "none": "#fff;border:2px dashed #A3262A", "activity": "#F6F8F9;border:2px solid #C9D3DA"}
MOST_CHAINS = 6


def fragment(audit: Audit) -> str:
    """Tell a self-check as a fragment of HTML; every text of a file is escaped."""
    head = "".join(f"<th scope='col'>{words.VERDICT[v]}</th>" for v in VERDICTS)
    rows = "".join(
        f"<tr><th scope='row' style='text-align:left'>{e.number} {escape(e.title)}</th>"
        + "".join(f"<td>{e.count(v)}</td>" for v in VERDICTS) + "</tr>" for e in audit.elements)
    stamps = " · ".join(words.stamps(audit))
    warning = "".join(f"<li>{escape(line)}</li>" for line in audit.warning)
    chains = "".join(_chain(chain) for chain in audit.chains[:MOST_CHAINS])
    more = len(audit.chains) - MOST_CHAINS
    return (f"<div><p><b>DCED self-check</b>: {escape(audit.study_title)}"
            f"{f' · <b>{stamps}</b>' if stamps else ''}<br>{words.NOT_AN_AUDIT}</p>"
            f"<table><thead><tr><th scope='col'>Items, counted</th>{head}</tr></thead><tbody>{rows}</tbody></table>"
            f"{f'<ul>{warning}</ul>' if warning else ''}{chains}"
            f"{f'<p>{more} more chains stand in self-check.html.</p>' if more > 0 else ''}</div>")


def _chain(chain: ChainPicture) -> str:
    boxes = "".join(
        f"<span style='display:inline-block;margin:2px;padding:3px 6px;color:#16243A;background:{_COLOURS[step.state]}'>"
        f"{escape(step.level)}: {escape(step.text)} <small>({escape(step.told or step.state)})</small></span>"
        for step in chain.steps)
    return f"<p><b>{escape(chain.title)}</b><br>{boxes}</p>"
