"""The example programmes: made up and marked so, whole, small, and with exactly the faults their READMEs name."""

import re
import zipfile

import pytest
from support_programmes import EXAMPLES

import impact
from impact.evaluation import evaluate
from impact.programme import read_programme
from impact.programme.disk import look
from impact.results.record import study_hash
from impact.study import read_study

NAMES = ("nearly-ready", "with-gaps")
WAITING = {"use_in_management.examples", "managed.everyday"}


@pytest.fixture(scope="module", params=NAMES)
def programme(request):
    return read_programme(EXAMPLES / request.param)


def test_every_file_is_marked_as_made_up(programme):
    assert programme.simulated
    assert "FICTIONAL" in programme.name
    for file in (f for f in programme.folder.rglob("*") if f.is_file()):
        content = file.read_bytes()
        if file.suffix in (".docx", ".xlsx"):
            with zipfile.ZipFile(file) as packed:
                content = b"".join(packed.read(n) for n in packed.namelist())
        assert not content or re.search(rb"FICTIONAL|SIMULATED|simulated", content), file


def test_the_folder_is_small_and_holds_no_stray_file(programme):
    files = [f for f in programme.folder.rglob("*") if f.is_file()]
    assert sum(f.stat().st_size for f in files) < 700_000
    named = {d.file for d in programme.documents}
    named |= {x for i in programme.interventions for x in (i.study, i.results)}
    named |= {r.ids for r in programme.results} | {"programme.yaml", "README.md"}
    found = {f.relative_to(programme.folder).as_posix() for f in files}
    assert found == named - {None}


def test_every_document_opens_but_the_one_that_was_emptied(programme):
    states = {d.id: look(programme.folder, d.file).state for d in programme.documents}
    bad = {k: v for k, v in states.items() if v != "there"}
    assert sorted(bad.values()) == ([] if programme.slug == "nearly-ready" else ["empty"])


def test_every_method_of_attribution_has_its_intervention():
    from impact.programme.measure_types import ATTRIBUTION_METHODS

    used = {a.method for a in read_programme(EXAMPLES / "nearly-ready").attributions}
    assert used == set(ATTRIBUTION_METHODS)
    also = {a.method for a in read_programme(EXAMPLES / "with-gaps").attributions}
    assert also == used - {"difference_in_difference", "matching"}


def test_studies_give_the_committed_results(programme):
    studied = [i for i in programme.interventions if i.study]
    assert len(studied) == (3 if programme.slug == "nearly-ready" else 1)
    for intervention in studied:
        study = read_study(programme.folder / intervention.study)
        record = impact.read_results(programme.folder / intervention.results)
        again = evaluate(study)
        assert record.provenance.study_sha256 == study_hash(study)
        assert record.provenance.data_sha256 == again.provenance.data_sha256
        first, second = record.estimates[0], again.estimates[0]
        assert first.id == second.id
        assert first.estimate == pytest.approx(second.estimate, rel=1e-9)
        claimed = next(r for r in programme.results if r.id == f"{intervention.id}_income_2025")
        assert claimed.estimate == first.id
        assert claimed.value == round(intervention.reached.total * round(first.estimate, 1))


def test_nearly_ready_has_few_open_items():
    audit = impact.audit(EXAMPLES / "nearly-ready")
    assert {p.internal_key for p in audit.points if p.verdict != "on_file"} == WAITING
    assert audit.flags == ()


def planted():
    """Read the table of faults from the README: (item, intervention) pairs, and how many rows it has."""
    text = (EXAMPLES / "with-gaps" / "README.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:-1] for line in text.splitlines() if re.match(r"\| \d+ \|", line)]
    return [(re.findall(r"`([a-z_.]+)`", items), where.strip().strip("`")) for _, _, where, items in rows]


def test_with_gaps_shows_its_twenty_faults_and_nothing_else():
    rows = planted()
    assert len(rows) == 20
    audit = impact.audit(EXAMPLES / "with-gaps")
    names = {i.id: i.name for i in read_programme(EXAMPLES / "with-gaps").interventions}
    expected = {item for items, _ in rows for item in items}
    assert {p.internal_key for p in audit.points if p.gaps} == expected
    common = {"ind_aggregable.shared_set", "aggregate_impact.documented"}  # these speak of the programme as a whole
    for item, where in ((item, where) for items, where in rows for item in items if where in names and item not in common):
        told = " ".join(f"{g.about} {g.text}" for g in audit.point(item).gaps)
        assert names[where] in told or f"{where}_" in told, (item, where)
    others = {p.internal_key for p in audit.points if p.verdict != "on_file"} - expected
    assert others == WAITING
    assert [flag.kind for flag in audit.flags] == ["no_evidence"]
