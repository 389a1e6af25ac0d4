"""How long something takes."""

from __future__ import annotations

import contextlib
import io
import time
import warnings
from collections.abc import Callable


def seconds(run: Callable[[], object], times: int = 3) -> float:
    """Median of several runs, output and warnings of the peer put aside."""
    took = []
    for _ in range(times):
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run()
        took.append(time.perf_counter() - start)
    return sorted(took)[times // 2]
