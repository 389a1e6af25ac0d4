"""A whole programme: its file (YAML or Excel), its documents on disk, and how both are read safely."""
