"""Where the study stands and who answers for it: ethics, sources, credits, the logo, and how to remake the brief."""

from __future__ import annotations

from impact.brief.facts import day, own, stated
from impact.brief.model import Fact, Join, LogoPicture, Quote, Text, quote, say
from impact.brief.translation import check_source, check_title
from impact.results.evaluation import Evaluation
from impact.results.record import evaluation_to_json, sha256
from impact.study.types import words

MOST_REFERENCES = 2  # sources of checks printed; each check of the record has its own


def ethics(evaluation: Evaluation, language: str) -> tuple[Fact, ...]:
    """Give consent, approval, registration and the source of the data, as stated."""
    study = evaluation.study
    lines = []
    for name in ("consent", "approval", "registration"):
        value = getattr(study.ethics, name) if study.ethics is not None else None
        lines.append(Fact(name=say(f"ethics.{name}"), text=stated(evaluation, value, f"ethics.{name}", language)))
    data = own(study.data.source, "data.source", language)
    lines.append(Fact(name=say("ethics.data"), text=_open(data) if data else say("not_stated")))
    return tuple(lines)


def sources(evaluation: Evaluation, language: str) -> tuple[Text, ...]:
    """Give the sources of the known answer and of the first checks."""
    study = evaluation.study
    lines: list[Text] = []
    if study.benchmark is not None:
        known = own(study.benchmark.source, "benchmark.source", language)
        if known is not None:
            lines.append(say("source.benchmark", source=_open(known)))
    seen = {c.source: c for c in reversed(evaluation.checks) if " " in c.source}  # a bare key is no reference
    lines += [say("source.check", title=check_title(c), source=check_source(c))
              for c in [*seen.values()][::-1][:MOST_REFERENCES]]  # each once, beside the first check that rests on it
    return tuple(lines)


def credit_lines(evaluation: Evaluation, language: str) -> tuple[Text, ...]:
    """Name authors, donor and contact."""
    study = evaluation.study
    authors = [own(a, f"brief.authors[{i}]", language) for i, a in enumerate(study.brief.authors)]
    named = tuple(a for a in authors if a is not None)
    lines: list[Text] = [say("source.authors", authors=Join(parts=named, by=", ")) if named else say("credits.none")]
    donor = own(study.programme.donor, "programme.donor", language)
    if donor is not None:
        lines.append(say("source.donor", donor=_open(donor)))
    return tuple(lines)


def disclaimer(evaluation: Evaluation, language: str) -> Quote | None:
    """Give the disclaimer, in the words declared."""
    return own(evaluation.study.brief.disclaimer, "brief.disclaimer", language)


def logo_picture(evaluation: Evaluation, language: str) -> LogoPicture | None:
    """Take the logo the record carries."""
    logo = evaluation.study.brief.logo
    if logo is None or logo.data is None:
        return None
    return LogoPicture(data=logo.data, kind=logo.kind, alt=quote(words(logo.alt, language), "study.yaml: brief.logo.alt"))


def provenance(evaluation: Evaluation, language: str) -> tuple[Fact, ...]:
    """Give what identifies record, data, study and toolkit, and the command that makes the brief again."""
    p = evaluation.provenance
    record = sha256(evaluation_to_json(evaluation))
    where = "results.json: provenance"
    lines: list[tuple[str, Text]] = [
        ("record", say("proof.hash", hash=quote(record[:16], where))),
        ("data", say("proof.hash", hash=quote(p.data_sha256[:16], where))),
        ("study", say("proof.hash", hash=quote(p.study_sha256[:16], where))),
        ("toolkit", quote(p.toolkit, where)), ("seed", quote(p.seed, where)),
        ("date", day(evaluation.study.brief.date))]
    if p.command:
        own_language = language == evaluation.study.brief.language
        lines.append(("command", quote(p.command if own_language else f"{p.command} --language {language}", where)))
    return tuple(Fact(name=say(f"proof.{name}"), text=text) for name, text in lines)


def _open(text: Quote) -> Quote:
    """Take the full stop off a text that a sentence of ours will close."""
    return Quote(text=text.text.rstrip("."), where=text.where)
