"""Progress bars on the stderr of a terminal, for work of more than two seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dmtest.runtime.parallel import Progress

PATIENCE = 2.0


@contextmanager
def reporter(progress: bool | Progress | None) -> Iterator[Progress | None]:
    """Yield the function to which a computation reports its steps.

    Parameters
    ----------
    progress : bool, callable or None
        A callable is yielded as it is. True always draws a bar, False never; None draws one if
        stderr is a terminal. A bar appears after two seconds.
    """
    if callable(progress):
        yield progress
        return
    terminal = sys.stderr is not None and sys.stderr.isatty()
    if progress is False or (progress is None and not terminal):
        yield None
        return
    bar = _Bar()
    try:
        yield bar
    finally:
        bar.close()


class _Bar:
    """A Rich bar that appears only after `PATIENCE` seconds."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.display: Any = None
        self.tasks: dict[str, Any] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        if self.display is None:
            if time.monotonic() - self.started < PATIENCE or done >= total > 0:
                return
            from rich.console import Console
            from rich.progress import Progress as RichProgress
            from rich.progress import TextColumn

            columns = *RichProgress.get_default_columns(), TextColumn("{task.fields[speed]}")
            self.display = RichProgress(*columns, console=Console(stderr=True), transient=True)
            self.display.start()
        # Work of unknown length has the total 0.
        length = total or None
        if what not in self.tasks:
            self.tasks[what] = self.display.add_task(what, total=length, speed="")
        speed = ""
        if what == "rows":
            speed = f"{done / (time.monotonic() - self.started):,.0f} rows/s"
        self.display.update(self.tasks[what], completed=done, total=length, speed=speed)

    def close(self) -> None:
        if self.display is not None:
            self.display.stop()
