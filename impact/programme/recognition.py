"""What a file on an inherited drive probably is, from its name and its own properties: a proposal, never a finding."""

from __future__ import annotations

import re
import unicodedata
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from xml.sax.saxutils import unescape

from impact.programme.disk import BROKEN, OFFICE, FileState, look, part
from impact.study.schema import CONTROL

# The first kind whose words stand in the name wins, so the more special come first. Words in English, French, Spanish.
_KINDS: tuple[tuple[str, str], ...] = (
    ("cleaning_log", r"cleaning|nettoyage|limpieza|corrections? log"),
    ("sampling_note", r"sampl|echantillon|muestr"),
    ("questionnaire", r"questionn|survey form|cuestionario|enquete form|interview guide|guide d.entretien"),
    ("terms_of_reference", r"\bto ?rs?\b|terms of ref|termes de ref|terminos de ref|\btd ?r\b"),
    ("results_chain", r"results? chain|chaine de result|cadena de result|logic model|theory of change|\bto ?c\b"),
    ("projection_sheet", r"projection|proyecc|forecast|previsions?"),
    ("measurement_plan", r"measurement plan|monitoring plan|\bm ?e plan|plan de suivi|plan de medic|\bmrm plan"),
    ("aggregation_sheet", r"aggregat|agregac|totals?\b|consolid"),
    ("overlap_note", r"overlap|double count|doublon|solap"),
    ("baseline_report", r"base ?line|situation de reference|linea de base|\bt0\b"),
    ("impact_report", r"impact|end ?line|evaluation|evaluacion|assessment|final survey|ligne finale"),
    ("training_record", r"training|attendance|formation|capacitacion|induction|presence"),
    ("interview_notes", r"interview|focus group|\bfgd\b|entretien|entrevista|case stud|field notes?|notes? terrain"),
    ("job_description", r"job desc|fiche de poste|perfil del? puesto|\bjd\b"),
    ("organogram", r"organogram|organigram|org chart"),
    ("work_plan", r"work ?plan|plan de travail|plan de trabajo|\bawp\b"),
    ("manual", r"manual|manuel|handbook|guideline"),
    ("quality_review", r"quality|\bqa\b|qualite|calidad|data audit"),
    ("financial_report", r"financ|accounts|comptes|cuentas"),
    ("cost_table", r"cost|budget|coute?s?|presupuesto|expens|depenses"),
    ("annual_report", r"annual|annuel|anual|yearly report|progress report|donor report"),
    ("minutes", r"minutes|\bmom\b|compte rendu|acta\b|meeting|review of|portfolio review"),
    ("agreement", r"agreement|contract|\bmou\b|accord|convenio|convention"),
    ("strategy", r"strateg|estrateg"),
    ("market_study", r"market|marche|mercado|sector stud|diagnos|feasib|value chain"),
    ("intervention_plan", r"intervention plan|\bplan\b|concept note|proposal|design"),
    ("data", r"\bdata\b|donnees|datos|dataset|\braw\b|\bclean\b"),
)
_DATA = (".csv", ".dta", ".sav", ".parquet", ".tsv")
_DATE = re.compile(r"(?<!\d)(20\d\d)[-_. ]?(0[1-9]|1[0-2])[-_. ]?(0[1-9]|[12]\d|3[01])(?!\d)")
_TURNED = re.compile(r"(?<!\d)(0[1-9]|[12]\d|3[01])[-_.](0[1-9]|1[0-2])[-_.](20\d\d)(?!\d)")
_YEAR = re.compile(r"(?<!\d)(20[0-4]\d)(?!\d)")
_VERSION = re.compile(r"(?<![a-z])v(?:ersion)?[ _.-]?(\d+(?:\.\d+)*)", re.IGNORECASE)
_NUMBERING = re.compile(r"^\W*\d{1,3}(?:[.)_ -]+|\s+)")
GENERAL = re.compile(
    r"^(documents?|docs|admin\w*|finances?|reports?|reporting|archives?|old|templates?|photos?|pictures|images|misc|other|"
    r"shared|general|programme|program|management|hr|staff|contracts?|data|surveys?|interventions?|projects?|components?|"
    r"rapports?|modeles|divers|informes|otros|results?|baseline|impact|m e|mel|mrm|new folder.*|temp|tmp|bin|backup.*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """What a file is taken for, and on what grounds; '' and None where nothing speaks for anything."""

    file: str
    kind: str
    title: str
    date: str = ""
    year: int | None = None
    version: str = ""
    author: str = ""
    state: FileState


def guess(folder: Path, inside: PurePosixPath) -> Guess:
    """Look at one file: kind, title, date and version from its name; author and date from its own properties."""
    state = look(folder, str(inside))
    words = plain(inside.stem)
    kind = next((kind for kind, pattern in _KINDS if re.search(pattern, words)), "")
    if inside.suffix.lower() in _DATA and kind in ("", "baseline_report", "impact_report", "market_study"):
        kind = "data"
    if not kind:
        around = plain(inside.parent.name)
        kind = next((kind for kind, pattern in _KINDS if re.search(pattern, around)), "other")
    author, told = _properties(folder / inside)
    year = _YEAR.search(inside.stem)
    created = state.created if year is None or state.created.startswith(year[1]) else ""  # a copy keeps its model's date
    version = _VERSION.search(inside.stem)
    return Guess(file=str(inside), kind=kind, title=told or readable(inside.stem), author=author, state=state,
                 date=_date(inside.stem) or created, year=int(year[1]) if year else None,
                 version=version[1] if version else "")


def plain(text: str) -> str:
    """Bring a name to small letters without accents, with spaces between its words."""
    text = unicodedata.normalize("NFKD", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text))
    return re.sub(r"[^a-z0-9]+", " ", "".join(c for c in text if not unicodedata.combining(c)).lower()).strip()


def readable(text: str) -> str:
    """Make a title of a file's or folder's name: no numbering, no dates, spaces between words."""
    text = _NUMBERING.sub("", text)
    for pattern in (_DATE, _TURNED, _VERSION):
        text = pattern.sub(" ", text)
    text = re.sub(r"[_\s]+", " ", CONTROL.sub(" ", text)).strip(" -_.=+@")
    return text[:1].upper() + text[1:] if text else "Untitled"


def _date(name: str) -> str:
    found = _DATE.search(name)
    if found:
        return "-".join(found.groups())
    turned = _TURNED.search(name)
    return f"{turned[3]}-{turned[2]}-{turned[1]}" if turned else ""


def _properties(path: Path) -> tuple[str, str]:
    """Read author and title from an office file's own properties; nothing from a file that does not open."""
    if path.suffix.lower() not in OFFICE:
        return "", ""
    try:
        with zipfile.ZipFile(path) as packed:
            core = part(packed, "docProps/core.xml").decode("utf-8", "replace")
    except BROKEN:
        return "", ""
    found = [re.search(rf"<dc:{name}>([^<]{{1,150}})</dc:{name}>", core) for name in ("creator", "title")]
    author, title = (" ".join(CONTROL.sub(" ", unescape(m[1])).split()) if m else "" for m in found)
    tools = {"openpyxl", "python-docx", "microsoft office user", "user", "admin", "impact", "unknown"}
    return ("" if author.lower() in tools or author.startswith("=") else author), title.lstrip("=+-@ ")
