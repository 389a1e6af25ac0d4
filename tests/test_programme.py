"""Programme files: read in one pass, all problems at once, the same through YAML and Excel, and written back whole."""

import dataclasses
import io
import re

import openpyxl
import pytest
import yaml
from support_programmes import EXAMPLES, SMALL, write

from impact.cli import main
from impact.errors import StudyError
from impact.programme import Programme, read_programme
from impact.programme.contract import keys_of
from impact.programme.form import Cite, Serves, forms
from impact.programme.reading import LIMITS
from impact.programme.sheets import all_sheets, single_values
from impact.programme.skeleton import programme_skeleton
from impact.programme.types import DOCUMENT_KINDS
from impact.programme.writing import to_workbook, to_yaml
from impact.study import yaml_file


def problems(path):
    with pytest.raises(StudyError) as caught:
        read_programme(path)
    assert caught.value.exit_code == 2
    return [str(problem) for problem in caught.value.problems]


def test_a_programme_is_read_whole(tmp_path):
    programme = read_programme(write(tmp_path))
    assert programme.donors == ("Fund A", "Fund B")
    assert programme.project_number == "007"
    assert programme.documents[0].serves == (Serves("rc_research.gender", "p. 2"),)
    assert programme.interventions[0].gender.evidence == (Cite("D01", "p. 1"), Cite("D02", "sheet Women row 3"))
    assert programme.interventions[0].at == "line 16"
    assert programme.chains[0].arrows[0].source == "act"
    assert programme.chain_on("seed", "2024-01-31") is None
    assert programme.chain_on("seed", "2024-02-01").id == "seed_v1"
    assert programme.in_scope == programme.interventions
    assert programme.slug == tmp_path.name.replace("_", "-").lower()
    assert sorted({str(cite) for _, _, cite in programme.cites()}) == [
        "D01 p. 1", "D01 p. 3", "D01 p. 4", "D02 sheet Women row 3"]


def test_the_same_programme_through_yaml_and_excel_is_equal(tmp_path):
    programme = read_programme(write(tmp_path))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "copy.xlsx").write_bytes(to_workbook(programme))
    (tmp_path / "other" / "copy.yaml").write_text(to_yaml(programme), encoding="utf-8")
    from_excel, from_yaml = (read_programme(tmp_path / "other" / f"copy.{kind}") for kind in ("xlsx", "yaml"))
    assert from_excel == programme
    assert from_yaml == programme
    assert from_excel.chains[0].arrows[0].at == "sheet chains.arrows, row 2"
    assert to_workbook(programme) == to_workbook(programme)


@pytest.mark.parametrize("name", ["nearly-ready", "with-gaps"])
def test_an_example_is_equal_through_yaml_and_excel(name, tmp_path):
    programme = read_programme(EXAMPLES / name)
    (tmp_path / "copy.xlsx").write_bytes(to_workbook(programme))
    (tmp_path / "copy.yaml").write_text(to_yaml(programme), encoding="utf-8")
    assert read_programme(tmp_path / "copy.xlsx") == programme
    assert read_programme(tmp_path / "copy.yaml") == programme


def test_all_problems_come_at_once_with_line_and_cure(tmp_path):
    text = (SMALL.replace("status: active", "status: running")
            .replace("indicator: seed_income\n", "indicator: seed_incme\n").replace("D01 p. 3", "D9 p. 3")
            .replace("begins: 2024-01-01", "begins: 2027-01-01")
            .replace("to: gain, evidence", "to: gian, evidence").replace("currency:", "curency:")
            .replace("by: [mel]", "by: [mell]").replace("rc_logic.staff_use", "1.1.c")
            .replace("documents/market.txt", "../market.txt").replace("value: 4200.5\n", "value: lots\n"))
    found = problems(write(tmp_path, text))
    for part in ("line 7, curency: unknown key 'curency'. Did you mean 'currency'?",
                 "line 6, ends: it ends on 2026-12-31, before it begins on 2027-01-01.",
                 "'running' is not one of planned, active, completed, stopped.",
                 "'seed_incme' is not a code of indicators. Did you mean 'seed_income'?",
                 "chains[0].arrows[0].evidence[0]: 'D9' is not a code of documents",
                 "'gian' is not a box of this version. Did you mean 'gain'?",
                 "'mell' is not a code of staff. Did you mean 'mel'?",
                 "'1.1.c' does not begin with the key of an item", "'../market.txt' leaves the programme's folder.",
                 "a number is expected, got 'lots'"):
        assert any(part in text for text in found), (part, found)
    assert len(found) == 10
    assert all(text.startswith("line ") for text in found)
    assert [int(text[5:].split(",")[0]) for text in found] == sorted(int(text[5:].split(",")[0]) for text in found)


def test_codes_stand_once_and_formulas_have_their_inputs(tmp_path):
    text = SMALL.replace("id: D02", "id: D01").replace("farms * extra", "farms * extr").replace(
        "{name: farms, value: 40}", "{name: farms, value: 40}, {name: farms, value: 41}, {name: 2x, value: 1}")
    found = problems(write(tmp_path, text))
    assert any("the code 'D01' already stands at line 12" in line for line in found)
    assert any("the formula uses 'extr', which is not among the inputs. Did you mean 'extra'?" in line for line in found)
    assert any("the input 'farms' stands twice" in line for line in found)
    assert any("'2x' cannot be used in a formula" in line for line in found)


def test_an_entry_of_a_list_is_one_in_a_cell_too(tmp_path):
    found = problems(write(tmp_path, SMALL.replace("[Fund A, Fund B]", "['Fund A; Fund B', \"C\\nD\"]")))
    assert [line.split(": ")[0] for line in found] == ["line 3, donors[0]", "line 3, donors[1]"]
    assert "holds a semicolon or a line break. Make two entries of it" in found[0]
    told = read_programme(write(tmp_path, SMALL.replace("[Fund A, Fund B]", "Fund A; Fund B")))
    assert told.donors == ("Fund A", "Fund B")


def test_a_half_empty_programme_can_be_read(tmp_path):
    programme = read_programme(write(tmp_path, "name: P\nas_of: 2026-06-30\n"))
    assert programme.interventions == ()
    assert programme.simulated is None
    programme = read_programme(write(tmp_path, "name: P\nas_of: 2026-06-30\nprojections: []\nindicators:\ninterventions:\n"
                                               "- {id: a, name: A, status: active, reached: {}}\n"))
    assert programme.interventions[0].reached is None
    assert programme.indicators == ()


def test_a_folder_names_its_programme_file(tmp_path):
    assert "holds no programme.yaml" in problems(tmp_path)[0]
    write(tmp_path)
    (tmp_path / "programme.xlsx").write_bytes(to_workbook())
    assert "holds both programme.yaml and programme.xlsx" in problems(tmp_path)[0]
    assert "impact new my-programme --programme" in problems(tmp_path / "none.yaml")[0]
    assert "Save it as .xlsx" in problems(tmp_path / "old.xls")[0]


def test_every_key_is_described_and_every_table_has_its_sheet():
    def walk(record):
        for key, (name, shape) in forms(record).items():
            assert shape.help.endswith((".", "?")) or shape.help[-1].isalnum(), (record, key)
            assert name in {f.name for f in dataclasses.fields(record)}
            for table in shape.to:
                assert table in forms(Programme), (record, key, table)
            if shape.of is not None:
                walk(shape.of)
    walk(Programme)
    assert set(keys_of(Programme).fields) == set(forms(Programme))
    names = [sheet.name for sheet in all_sheets()]
    assert len(names) == len(set(names))
    assert all(len(name) <= 31 and not set(name) & set("[]:*?/\\") for name in names)
    for sheet in all_sheets():
        titles = [column.title for column in sheet.columns]
        assert len(titles) == len(set(titles))
        assert not sheet.inner or any(k == "id" for k in forms(forms(Programme)[sheet.table][1].of))


def book_of(programme=None):
    return openpyxl.load_workbook(io.BytesIO(to_workbook(programme)))


def saved(book, path):
    book.save(path)
    return path


def test_the_template_explains_itself_and_offers_the_words():
    book = book_of()
    assert book.sheetnames[:2] == ["read me", "programme"]
    assert set(book.sheetnames[2:]) == {sheet.name for sheet in all_sheets()} | {"lists"}
    assert book["lists"].sheet_state == "hidden"
    kinds = next(v.formula1 for v in book["documents"].data_validations.dataValidation if "lists" in v.formula1)
    assert [cell.value for (cell,) in book["lists"][kinds.split("!")[1].replace("$", "")]] == list(DOCUMENT_KINDS)
    page = book["interventions"]
    assert [cell.value for cell in page[1]][:3] == ["id", "name", "status"]
    assert "Short code" in page["A1"].comment.text
    assert page["A1"].font.bold
    offered = {str(v.sqref): v.formula1 for v in page.data_validations.dataValidation}
    assert '"planned,active,completed,stopped"' in offered.values()
    assert "'staff'!$A$2:$A$1000" in offered.values()
    assert {row[0].value for row in book["programme"].iter_rows(min_row=2)} == {c.title for c in single_values()}


def test_excel_problems_name_sheet_row_and_column(tmp_path):
    book = book_of(read_programme(write(tmp_path)))
    page = book["documents"]
    heads = {cell.value: cell.column for cell in page[1]}
    page.cell(2, heads["kind"], "marketstudy")
    page.cell(3, heads["date"], "last May")
    page.cell(6, heads["title"], "A row without a code")
    book["chains.boxes"]["A3"] = "seed_v9"
    book["programme"]["A4"] = "contry"
    book["costs"]["C1"] = "componnt"
    book.create_sheet("extra")
    found = problems(saved(book, tmp_path / "other.xlsx"))
    for part in ("sheet documents, row 2, kind: 'marketstudy' is not one of",
                 "sheet documents, row 3, date: a date is expected, got 'last May'",
                 "sheet documents, row 6: 'id' is missing", "sheet documents, row 6: 'kind' is missing",
                 "sheet chains.boxes, row 3: 'seed_v9' is not a code of chains. Did you mean 'seed_v1'?",
                 "sheet programme, row 4: unknown key 'contry'. Did you mean 'country'?",
                 "sheet costs, row 1: unknown column 'componnt'. Did you mean 'component'?",
                 "sheet extra: there is no such table"):
        assert any(text.startswith(part) for text in found), (part, found)


def test_excel_cells_are_read_as_officers_type_them(tmp_path):
    book = book_of(read_programme(write(tmp_path)))
    page = book["interventions"]
    heads = {cell.value: cell.column for cell in page[1]}
    page.cell(2, heads["in_scope"], "Yes")
    page.cell(2, heads["partners"], "Seed Company; Dealers' Union\nMinistry")
    page.cell(2, heads["begins"], "2024-02-01")
    rows = {row[0].value: row[1] for row in book["programme"].iter_rows(min_row=2)}
    rows["project_number"].value = 7
    rows["conventions.jobs_above_one"].value = True
    programme = read_programme(saved(book, tmp_path / "other.xlsx"))
    assert programme.interventions[0].in_scope is True
    assert programme.interventions[0].partners == ("Seed Company", "Dealers' Union", "Ministry")
    assert programme.interventions[0].begins == "2024-02-01"
    assert programme.project_number == "7"
    assert programme.conventions.jobs_above_one is True


def test_text_that_looks_like_a_formula_stays_text_in_excel(tmp_path):
    text = SMALL.replace("title: Market study", "title: '+SUM(A1) and @all'")
    programme = read_programme(write(tmp_path, text))
    cell = book_of(programme)["documents"]["B2"]
    assert cell.data_type == "s"
    assert cell.quotePrefix
    (tmp_path / "copy.xlsx").write_bytes(to_workbook(programme))
    assert read_programme(tmp_path / "copy.xlsx") == programme


def test_a_new_programme_folder_explains_every_key(tmp_path, capsys):
    assert main(["new", str(tmp_path / "mine"), "--programme"]) == 0
    told = capsys.readouterr().out
    assert told.splitlines()[-1] == f"Open {tmp_path / 'mine' / 'programme.yaml'}"
    text = (tmp_path / "mine" / "programme.yaml").read_text(encoding="utf-8")
    assert max(map(len, text.splitlines())) <= 124
    assert [line.split(": ")[1] for line in problems(tmp_path / "mine")] == [
        "'name' is empty. Name of the programme.", "'as_of' is empty. Day for which the self-check is made."]
    (tmp_path / "mine" / "programme.yaml").write_text(text.replace("name: null", "name: Mine", 1).replace(
        "as_of: null", "as_of: 2026-06-30", 1), encoding="utf-8")
    assert read_programme(tmp_path / "mine") == Programme(name="Mine", as_of="2026-06-30")


def test_taking_the_signs_away_from_the_skeleton_gives_every_key_once(tmp_path):
    bare = programme_skeleton().split("\n\n", 1)[1]
    tables = set(forms(Programme))
    lines = []
    for line in bare.splitlines():
        shown = line.removeprefix("# ")
        is_key = re.match(r"( *- | *)[a-z_0-9]+:", shown) or shown.lstrip().startswith("#")
        lines.append(shown if is_key else line)
    tree = yaml.safe_load("\n".join(lines))
    assert set(tree) == tables

    def same(values, record):
        assert set(values) == set(forms(record))
        for key, (_, shape) in forms(record).items():
            if shape.of is not None:
                same(values[key][0] if shape.kind == "records" else values[key], shape.of)
    same(tree, Programme)


def test_a_new_programme_in_excel(tmp_path, capsys):
    assert main(["new", str(tmp_path / "mine"), "--programme", "--excel"]) == 0
    assert "sheet programme: 'name' is missing" in problems(tmp_path / "mine")[0]
    assert (tmp_path / "mine" / "documents" / "README.txt").exists()
    assert main(["new", str(tmp_path / "mine"), "--programme"]) == 2
    assert main(["new", str(tmp_path / "other"), "--excel"]) == 2
    assert main(["new", str(tmp_path / "other"), "--programme", "--kind", "rct"]) == 2
    told = capsys.readouterr().err
    assert "impact inventory" in told
    assert not (tmp_path / "other").exists()


def test_the_command_line_says_all_problems_and_ends_with_two(tmp_path, capsys):
    file = write(tmp_path, SMALL.replace("status: active", "status: running").replace("document: ", "x: "))
    assert main(["audit", str(file)]) == 2
    assert "'running' is not one of" in capsys.readouterr().err
    assert not (tmp_path / "self-check.html").exists()


@pytest.mark.parametrize("name", ["nearly-ready", "with-gaps"])
def test_the_quick_reader_of_long_files_gives_the_same(name, monkeypatch):
    text = (EXAMPLES / name / "programme.yaml").read_text(encoding="utf-8")
    quick = yaml_file.parse_yaml(text, limits=LIMITS)
    monkeypatch.setattr(yaml_file, "QUICK", 10**9)
    slow = yaml_file.parse_yaml(text, limits=LIMITS)
    assert quick.tree == slow.tree
    assert quick.lines == slow.lines
