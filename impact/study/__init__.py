"""The study file: what was promised, read and validated in one pass."""

from impact.study.read import read_study, study_from_mapping
from impact.study.types import Arrow, Box, Design, FirstTreatedRule, Outcome, Study, words

__all__ = ["Arrow", "Box", "Design", "FirstTreatedRule", "Outcome", "Study", "read_study",
           "study_from_mapping", "words"]
