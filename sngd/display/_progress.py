"""A display of the progress of a run."""

import math
import sys
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from sngd._history import Record

# The time between two plain lines, in seconds.
_BETWEEN = 10.0


class ProgressDisplay:
    """A callback that shows the iteration, the loss, the error, the rank, the step size and the time left.

    The display is also a context manager, which must be entered before the run. In a terminal and in a notebook the
    display is one line that changes. In a pipe or a file the display is a new plain line every ten seconds.

    - `iterations`, `seconds`: the budget of the run.
    - `console`: the console to write to. By default it writes to standard error, so that standard output stays free for
      results.
    """

    def __init__(self, iterations: int, seconds: float = math.inf, console: Console | None = None):
        self._iterations, self._error = iterations, math.nan
        self._console = console or Console(stderr=True)
        self._moves = self._console.is_terminal or self._console.is_jupyter
        self._printed = -math.inf
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            BarColumn(bar_width=20),
            TextColumn("loss {task.fields[loss]:.2e}"),
            TextColumn("{task.fields[error]}"),
            TextColumn("rank {task.fields[rank]}"),
            TextColumn("step {task.fields[step_size]:.1e}"),
            _Rate(),
            TimeElapsedColumn(),
            _TimeLeft(seconds),
            console=self._console,
            refresh_per_second=4,
            disable=not self._moves,
        )
        fields = {"loss": math.nan, "error": "", "rank": "-", "step_size": math.nan}
        self._task = self._progress.add_task("train", total=iterations, **fields)

    def __enter__(self) -> "ProgressDisplay":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, state: object, record: Record) -> None:
        """Show one record of the history. The first argument is not used."""
        if not math.isnan(record.error):
            self._error = record.error
        error = "" if math.isnan(self._error) else f"error {self._error:.2e}"
        rank = str(record.rank) if record.rank >= 0 else "-"
        if self._moves:
            shown = {"loss": record.loss, "error": error, "rank": rank, "step_size": record.step_size}
            self._progress.update(self._task, completed=record.iteration, **shown)
        elif time.monotonic() - self._printed >= _BETWEEN or record.iteration == self._iterations:
            self._printed = time.monotonic()
            words = (f"{record.iteration}/{self._iterations}", f"loss {record.loss:.2e}", error, f"rank {rank}")
            print(*filter(None, words), f"{record.seconds:.0f} s", file=self._console.file or sys.stderr, flush=True)


class _Rate(ProgressColumn):
    """A column with the number of iterations per second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} it/s" if task.speed else "- it/s")


class _TimeLeft(ProgressColumn):
    """A column with the time until the iterations or the seconds of the budget are used up, whichever comes first."""

    def __init__(self, seconds: float):
        super().__init__()
        self._seconds = seconds
        self._start = time.perf_counter()

    def render(self, task: Task) -> Text:
        left = self._seconds - (time.perf_counter() - self._start)
        if task.speed and task.total is not None:
            left = min(left, (task.total - task.completed) / task.speed)
        if not math.isfinite(left):
            return Text("-:-- left")
        minutes, seconds = divmod(max(0, round(left)), 60)
        return Text(f"{minutes}:{seconds:02d} left")
