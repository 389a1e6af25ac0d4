"""A progress bar that shows itself only when the work takes longer than two seconds."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import Any

DELAY = 2.0  # seconds before a bar appears


class Progress:
    """Counts named steps; draws a tqdm bar on a terminal once :data:`DELAY` has passed.

    Parameters
    ----------
    steps : how many steps are expected.
    """

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._done = 0
        self._label = ""
        self._bar: Any = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(DELAY, self._show)
        self._timer.daemon = True

    def __enter__(self) -> Progress:
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._timer.cancel()
        with self._lock:
            if self._bar is not None:
                if kind is None:
                    self._bar.update(self._steps - self._bar.n)
                self._bar.close()

    def step(self, label: str) -> None:
        """Say that a new step begins; the one before it is done."""
        with self._lock:
            self._done = min(self._done + (1 if self._label else 0), self._steps)
            self._label = label
            self._draw()

    def _show(self) -> None:
        if not sys.stderr.isatty():  # in a file or a pipe a bar is only noise
            return
        from tqdm import tqdm

        with self._lock:
            self._bar = tqdm(total=self._steps, file=sys.stderr, leave=False,
                             bar_format="{desc}  {bar:24} {n_fmt}/{total_fmt}  {elapsed}")
            self._bar.start_t -= DELAY
            self._draw()

    def _draw(self) -> None:
        if self._bar is not None:
            self._bar.n = self._done
            self._bar.set_description_str(self._label[:34].ljust(34))
