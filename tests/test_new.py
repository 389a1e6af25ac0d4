"""A new study: its gaps are named, its candidates only proposed, and nothing is ever overwritten."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
import yaml

from impact.cli import new
from impact.cli.new import SKELETON, new_study, propose
from impact.errors import DataError, StudyError
from impact.study import read_study
from impact.study.contract import CONTRACT, KINDS
from impact.study.schema import Field

HOSTILE = [
    "a: b", '"quoted"', "it's", "# no", "x\ny", "kind: rct\nkind: did", "{a}", "[b", "- c", "null", "yes", "2024", "0x1f",
    "é à", "日本", "🙂 sales", "a\u2028b", "a\x85b", "a\\b", "%x", "@file", "`x", "*x", "&x", "!x",
    "!!python/object:os.system", "~",
    "a,b", "tab\there", "# candidates: @units", "{{ x }}", "{0}", "$(x)", "a\u202eb", "''", ". .", "<<", "=", "---", "...",
]
COMMON = {"title": "Training and profit", "question": "Did it help?", "programme.name": "P", "programme.country": "Uganda",
          "outcomes[0].name": "profit", "outcomes[0].label": "Profit", "outcomes[0].unit": "USD",
          "outcomes[0].role": "primary", "outcomes[0].better": "higher", "analysis.seed": "20240501",
          "brief.date": "2026-11-21"}


def firms(folder: Path, n: int = 60) -> Path:
    frame = pd.DataFrame({
        "firm_id": [f"{i:03}" for i in range(n)], "owner_name": ["Amina"] * n,
        "Phone number": [772000000 + i for i in range(n)], "market": [i % 12 for i in range(n)],
        "district": [f"D{i % 3}" for i in range(n)], "treated": [i % 2 for i in range(n)],
        "female": [i % 3 // 2 for i in range(n)], "profit_0": [i * 1.5 for i in range(n)],
        "profit_1": [i * 1.7 for i in range(n)], "employees": [i % 9 for i in range(n)],
        "age": [20 + i % 31 for i in range(n)], "year_founded": [1990 + i % 30 for i in range(n)]})
    frame.to_csv(folder / "firms.csv", index=False)
    return folder / "firms.csv"


def panel(folder: Path, units: int = 40) -> Path:
    rows = [(100 + u, year, int(year >= 2021 and u % 2), 2021 if u % 2 else "", u * 3.1 + year, u % 7)
            for u in range(units) for year in range(2018, 2024)]
    frame = pd.DataFrame(rows, columns=["plant", "year", "grant", "first_grant", "sales", "sector"])
    frame.to_csv(folder / "panel.csv", index=False)
    return folder / "panel.csv"


def candidates(text: str, key: str) -> list[str]:
    """Read the candidates on the line below a key."""
    lines = text.splitlines()
    below = lines[next(i for i, line in enumerate(lines) if re.match(rf"[ #-]*{key}: ", line)) + 1]
    return list(yaml.safe_load(f"[{below.split('# candidates: ', 1)[1]}]")) if "# candidates: " in below else []


def filled(file: Path, values: dict[str, str]) -> None:
    """Replace the null of each key by a value, as an officer would."""
    lines = file.read_text(encoding="utf-8").splitlines()
    for place, value in values.items():
        *parents, key = re.sub(r"\[0\]", "", place).split(".")
        start = next((i for i, line in enumerate(lines) if parents and line.startswith(f"{parents[0]}:")), 0)
        at = next(i for i in range(start, len(lines)) if re.match(rf"[ -]*{key}: null\b", lines[i]))
        lines[at] = lines[at].replace("null", value, 1)
    file.write_text("\n".join(lines), encoding="utf-8")


def missing(folder: Path) -> list[str]:
    with pytest.raises(StudyError) as caught:
        read_study(folder)
    assert all(" is empty" in p.what or "give either a file" in p.what for p in caught.value.problems), str(caught.value)
    return [p.where.split(", ", 1)[1] for p in caught.value.problems]


# ---- the skeleton


def test_a_new_study_lists_what_is_missing(tmp_path: Path) -> None:
    told = new_study(tmp_path / "my-study", kind="rct", data=firms(tmp_path))
    assert told.splitlines()[-1] == f"Open {tmp_path / 'my-study' / 'study.yaml'}"
    assert "60 rows, 12 columns" in told
    assert f"impact check {tmp_path / 'my-study'}" in told
    assert missing(tmp_path / "my-study") == [
        "title", "question", "programme.name", "programme.country", "design.estimand", "design.unit", "design.treatment",
        "design.assigned_by", "outcomes[0].name", "outcomes[0].column", "outcomes[0].label", "outcomes[0].unit",
        "outcomes[0].role", "outcomes[0].better", "analysis.primary.method", "analysis.seed", "brief.date"]
    with pytest.raises(StudyError) as caught:
        read_study(tmp_path / "my-study")
    text = (tmp_path / "my-study" / "study.yaml").read_text(encoding="utf-8").splitlines()
    for problem in caught.value.problems:
        place = re.search(r"Candidates stand on line (\d+)\.", problem.cure)
        assert (place is not None) == any(problem.where.endswith(x) for x in (
            "design.unit", "design.treatment", "assigned_by", "column", "method"))
        assert place is None or "# candidates: " in text[int(place[1]) - 1]


@pytest.mark.parametrize(("kind", "keys"), [
    ("rct", ["data", "design.estimand", "design.unit", "design.treatment"]),
    ("did", ["data", "design.unit", "design.time", "design.first_treated"]),
    ("matching", ["data", "design.estimand", "design.unit", "design.treatment", "design.covariates"]),
])
def test_a_skeleton_without_data(tmp_path: Path, kind: str, keys: list[str]) -> None:
    new_study(tmp_path / "s", kind=kind)
    assert os.listdir(tmp_path / "s") == ["study.yaml"]
    assert set(keys) < set(missing(tmp_path / "s"))
    text = (tmp_path / "s" / "study.yaml").read_text(encoding="utf-8")
    assert "@" not in text
    assert f"  kind: {kind} " in text


@pytest.mark.parametrize(("kind", "values"), [
    ("rct", {"design.estimand": "itt", "design.unit": "firm_id", "design.treatment": "treated",
             "design.assigned_by": "firm_id", "outcomes[0].column": "profit_1", "analysis.primary.method": "ancova"}),
    ("did", {"design.unit": "plant", "design.time": "year", "design.first_treated": "first_grant",
             "design.assigned_by": "plant", "outcomes[0].column": "sales",
             "analysis.primary.method": "two_way_fixed_effects"}),
    ("did", {"design.unit": "plant", "design.time": "year", "design.assigned_by": "plant",
             "design.first_treated": "{first_period_of: grant, later_zeros: stay_treated}",
             "outcomes[0].column": "sales", "analysis.primary.method": "two_by_two"}),
    ("matching", {"design.estimand": "att", "design.unit": "firm_id", "design.treatment": "treated",
                  "design.assigned_by": "firm_id", "design.covariates": "[age, profit_0]",
                  "outcomes[0].column": "profit_1", "analysis.primary.method": "nearest_neighbour"}),
])
def test_a_filled_skeleton_is_a_study(tmp_path: Path, kind: str, values: dict[str, str]) -> None:
    data = panel(tmp_path) if kind == "did" else firms(tmp_path)
    new_study(tmp_path / "s", kind=kind, data=data)
    assert (tmp_path / "s" / data.name).read_bytes() == data.read_bytes()
    text = (tmp_path / "s" / "study.yaml").read_text(encoding="utf-8")
    for place, value in values.items():
        key = place.split(".")[-1]
        if key not in ("estimand", "covariates") and not value.startswith("{"):
            assert value in candidates(text, key), key
    filled(tmp_path / "s" / "study.yaml", {**COMMON, **values})
    study = read_study(tmp_path / "s")
    assert study.data.file == data.name
    assert study.design.kind == kind
    assert study.state("programme.donor") == study.state("costs") == "absent"


@pytest.mark.parametrize("kind", KINDS)
def test_every_optional_line_may_be_stated(tmp_path: Path, kind: str) -> None:
    """Each commented key, with its '#' taken away, stands at its right place in the contract."""
    new_study(tmp_path / "s", kind=kind)
    lines = (tmp_path / "s" / "study.yaml").read_text(encoding="utf-8").splitlines()[5:]
    stated = [re.sub(r"^( *)# ?", r"\1", line) if re.match(r" *#", line) and "# candidates:" not in line else line
              for line in lines]
    (tmp_path / "s" / "study.yaml").write_text("\n".join(stated), encoding="utf-8")
    with pytest.raises(StudyError) as caught:
        read_study(tmp_path / "s")
    unknown = [p for p in caught.value.problems if "unknown" in p.what or "YAML" in p.what or "expected" in p.what]
    assert not unknown, str(caught.value)


def keys_of(field: Field) -> set[str]:
    inner = [*(field.fields or {}).items(), *(((field.item.fields or {}).items()) if field.item else ())]
    return {key for key, _ in inner} | {k for _, sub in inner for k in keys_of(sub)} | (
        keys_of(field.item) if field.item else set())


def test_the_skeleton_names_every_key_of_the_contract() -> None:
    written = set(re.findall(r"([a-z_]+):", SKELETON))
    assert keys_of(CONTRACT) - written <= {"package", "dataset", "series"}


def test_every_line_is_for_some_kind_and_has_its_words() -> None:
    for line in SKELETON.splitlines():
        assert re.fullmatch(r"[r ][d ][m ]( .*)?", line), line
        if ": null" in line and "{" not in line:
            assert line.count("#") >= 1, line


# ---- candidates


def test_candidates_of_a_trial(tmp_path: Path) -> None:
    found = propose(pd.read_csv(firms(tmp_path), dtype={"firm_id": str}), "rct")
    assert found["units"] == ("firm_id",)
    assert found["treatments"] == ("treated", "female")
    assert found["clusters"] == ("market", "district")
    assert found["levels"] == ("firm_id", "market", "district")
    assert found["outcomes"][:2] == ("profit_1", "employees")
    assert found["baselines"] == ("profit_0",)
    assert found["covariates"][0] == "profit_0"
    assert "age" in found["covariates"]


def test_candidates_of_a_panel(tmp_path: Path) -> None:
    found = propose(pd.read_csv(panel(tmp_path)), "did")
    assert found["units"] == ("plant",)
    assert found["times"] == ("year",)
    assert found["first_treated"] == ("first_grant", "grant")
    assert found["outcomes"] == ("sales",)


def test_personal_columns_are_warned_of_and_never_proposed(tmp_path: Path) -> None:
    personal = ["owner_name", "Phone number", "email", "GPS_lat", "HomeAddress", "national_id", "NIN", "téléphone",
                "Prénom", "dob"]
    plain = ["village_name", "programme_name", "national_sales", "latest", "hotel", "employees"]
    frame = pd.DataFrame({name: range(40) for name in [*personal, *plain]})
    found = propose(frame, "rct")
    assert list(found["personal"]) == personal
    assert not {n for key, names in found.items() if key != "personal" for n in names} & set(personal)
    frame.to_csv(tmp_path / "x.csv", index=False)
    told = new_study(tmp_path / "s", kind="rct", data=tmp_path / "x.csv")
    assert "Personal data?" in told
    text = (tmp_path / "s" / "study.yaml").read_text(encoding="utf-8")
    line = next(x for x in text.splitlines() if "Personal data?" in x)
    assert line.lstrip().startswith("#")
    assert all(name in line for name in ("owner_name", '"Phone number"', "national_id"))


def test_no_value_of_a_cell_reaches_the_study_file(tmp_path: Path) -> None:
    told = new_study(tmp_path / "s", kind="rct", data=firms(tmp_path))
    text = (tmp_path / "s" / "study.yaml").read_text(encoding="utf-8")
    assert "Amina" not in text + told
    assert "772000" not in text + told


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("kind", KINDS)
def test_hostile_column_names_come_back_as_they_were(tmp_path: Path, name: str, kind: str) -> None:
    with (tmp_path / "x.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["firm_id", name, "owner phone: #1\nkind"])
        writer.writerows([f"F{i:02}", i + 0.5, 1] for i in range(30))
    new_study(tmp_path / "s", kind=kind, data=tmp_path / "x.csv")
    file = tmp_path / "s" / "study.yaml"
    text = file.read_text(encoding="utf-8")
    assert candidates(text, "column") == [name]
    assert yaml.safe_load(text)["design"]["kind"] == kind
    listed = next(line for line in text.splitlines() if line.startswith("    # candidates: "))
    filled(file, {"outcomes[0].column": listed.removeprefix("    # candidates: ")})
    assert yaml.safe_load(file.read_text(encoding="utf-8"))["outcomes"][0]["column"] == name
    assert "outcomes[0].column" not in missing(tmp_path / "s")


@pytest.mark.parametrize("name", ["my data: 2024 #1.csv", "été.csv", "it's \"x\".csv", "- a.csv", "a\nb.csv", "C:x.csv",
                                  "a\\..\\b.csv", "null.csv", " .CSV", "yes.csv"])
def test_hostile_file_names(tmp_path: Path, name: str) -> None:
    source = tmp_path / name
    source.write_text("firm_id,profit\n1,2\n", encoding="utf-8")
    new_study(tmp_path / "s", kind="rct", data=source)
    filled(tmp_path / "s" / "study.yaml", {
        **COMMON, "design.estimand": "itt", "design.unit": "firm_id", "design.treatment": "t",
        "design.assigned_by": "firm_id", "outcomes[0].column": "profit", "analysis.primary.method": "ols"})
    file = read_study(tmp_path / "s").data.file
    assert file is not None
    assert (tmp_path / "s" / file).read_bytes() == source.read_bytes()


def test_names_that_no_study_file_can_hold_are_not_proposed() -> None:
    frame = pd.DataFrame({name: [i + 0.5 for i in range(30)] for name in ("a\x07b", "x" * 500, "profit")})
    assert propose(frame, "rct")["outcomes"] == ("profit",)


def test_excel_and_stata(tmp_path: Path) -> None:
    import pyreadstat

    frame = pd.read_csv(firms(tmp_path))
    book = openpyxl.Workbook()
    for row in [list(frame.columns), *frame.values.tolist()]:
        book.active.append(row)
    book.save(tmp_path / "firms.xlsx")
    pyreadstat.write_dta(frame.rename(columns={"Phone number": "phone"}), str(tmp_path / "firms.dta"))
    for suffix in ("xlsx", "dta"):
        new_study(tmp_path / suffix, kind="rct", data=tmp_path / f"firms.{suffix}")
        text = (tmp_path / suffix / "study.yaml").read_text(encoding="utf-8")
        assert candidates(text, "treatment") == ["treated", "female"]
        assert f"  file: firms.{suffix} " in text


# ---- nothing is overwritten


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    data = firms(tmp_path)
    folder = tmp_path / "s"
    folder.mkdir()
    new_study(folder, kind="rct")
    before = (folder / "study.yaml").read_bytes()
    for call in ({"kind": "did"}, {"kind": "did", "data": data}, {"source_folder": folder}):
        with pytest.raises(StudyError, match=r"study\.yaml already"):
            new_study(folder, **call)  # type: ignore[arg-type]
    assert (folder / "study.yaml").read_bytes() == before
    (tmp_path / "busy").mkdir()
    (tmp_path / "busy" / "notes.txt").write_text("x")
    with pytest.raises(StudyError, match="not empty"):
        new_study(tmp_path / "busy", kind="rct", data=data)
    assert os.listdir(tmp_path / "busy") == ["notes.txt"]
    with pytest.raises(StudyError, match="a file of this name"):
        new_study(data, kind="rct")


def test_data_already_inside_stay_where_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    (folder / "data").mkdir(parents=True)
    firms(folder / "data")
    new_study(folder, kind="rct", data=folder / "data" / "firms.csv")
    assert sorted(p.name for p in folder.rglob("*")) == ["data", "firms.csv", "study.yaml"]
    assert yaml.safe_load((folder / "study.yaml").read_text(encoding="utf-8"))["data"]["file"] == "data/firms.csv"


def test_nothing_is_made_when_the_data_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,a\n1,2\n")
    for data in (tmp_path / "x.csv", tmp_path / "none.csv"):
        with pytest.raises(DataError):
            new_study(tmp_path / "s", kind="rct", data=data)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(("kind", "words"), [
    ("rtc", "Did you mean 'rct'"), (None, "kind of design is missing"), ("", "not one of")])
def test_unknown_kinds(tmp_path: Path, kind: str | None, words: str) -> None:
    with pytest.raises(StudyError, match=words):
        new_study(tmp_path / "s", kind=kind)
    assert not (tmp_path / "s").exists()


def test_a_ready_made_design_is_copied(tmp_path: Path) -> None:
    source = tmp_path / "designs" / "training"
    new_study(source, kind="rct", data=firms(tmp_path))
    filled(source / "study.yaml", {
        **COMMON, "design.estimand": "itt", "design.unit": "firm_id", "design.treatment": "treated",
        "design.assigned_by": "firm_id", "outcomes[0].column": "profit_1", "analysis.primary.method": "ols"})
    (source / "README.md").write_text("About", encoding="utf-8")
    (source / "out").mkdir()
    (source / "out" / "results.json").write_text("{}")
    told = new_study(tmp_path / "mine", source_folder=source)
    assert told.splitlines()[-1] == f"Open {tmp_path / 'mine' / 'study.yaml'}"
    assert sorted(os.listdir(tmp_path / "mine")) == ["README.md", "firms.csv", "study.yaml"]
    assert read_study(tmp_path / "mine").declared == read_study(source).declared
    with pytest.raises(StudyError, match="Leave out --kind and --data"):
        new_study(tmp_path / "other", kind="rct", source_folder=source)
    with pytest.raises(StudyError, match="does not exist"):
        new_study(tmp_path / "other", source_folder=tmp_path / "none")
    assert not (tmp_path / "other").exists()


def test_the_module_loads_without_pandas() -> None:
    assert not any(name in vars(new) for name in ("pd", "pandas", "yaml"))


def test_an_id_that_stands_twice_is_still_proposed_and_baselines_in_three_languages() -> None:
    n = 60
    frame = pd.DataFrame({"Code entreprise": [f"E{i:03}" for i in range(n - 1)] + ["E000"],
                          "Offre": [i % 2 for i in range(n)], "Bénéfice avant": [i * 1.5 for i in range(n)],
                          "Bénéfice après": [i * 1.7 for i in range(n)], "ventas antes": [i * 1.1 for i in range(n)],
                          "ventas después": [i * 1.2 for i in range(n)]})
    found = propose(frame, "rct")
    assert found["units"] == ("Code entreprise",)
    assert found["baselines"] == ("Bénéfice avant", "ventas antes")
    frame.loc[5, "Code entreprise"] = None
    assert propose(frame, "rct")["units"] == ("Code entreprise",)  # the check names the row
    assert propose(frame.assign(**{"Code entreprise": [f"E{i % 30}" for i in range(n)]}), "rct")["units"] == ()
