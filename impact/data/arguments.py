"""Arguments of the wrong kind, named before anything is computed from them."""

from __future__ import annotations

import numpy as np


def check_roles(**roles: object) -> None:
    """Refuse what is not the name of one column; roles whose name ends in ``_`` may be left out (None).

    Raises
    ------
    ValueError
        Naming the first such argument and what it was given.
    """
    for role, given in roles.items():
        if not (isinstance(given, str) or (given is None and role.endswith("_"))):
            raise ValueError(f"{role.rstrip('_')} must be the name of one column, in quotes, not {given!r}")


def check_flags(**flags: object) -> None:
    """Refuse what is not True or False: any other word would count as yes."""
    for name, given in flags.items():
        if not isinstance(given, bool | np.bool_):
            raise ValueError(f"{name} must be True or False, not {given!r}")
