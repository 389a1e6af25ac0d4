"""A whole programme: its file (YAML or Excel), its documents on disk, and how both are read safely."""

from impact.programme.reading import programme_file, read_programme
from impact.programme.types import Programme

__all__ = ["Programme", "programme_file", "read_programme"]
