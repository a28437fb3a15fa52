"""A progress display in the terminal."""

import math
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from sngd.train._history import Record
from sngd.train._step import TrainState
from sngd.train._stopping import Stopping


class ProgressDisplay:
    """A callback that shows loss, error, rank, step size, iterations a second and the time left, as a context manager.

    It writes to `console`, by default standard error, so that standard output stays free for results.
    """

    def __init__(self, stopping: Stopping, console: Console | None = None):
        self._stopping = stopping
        self._error = math.nan
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
            _TimeLeft(stopping),
            console=console or Console(stderr=True),
            refresh_per_second=4,
        )
        fields = {"loss": math.nan, "error": "", "rank": "-", "step_size": math.nan}
        self._task = self._progress.add_task("train", total=stopping.most_iterations, **fields)

    def __enter__(self) -> "ProgressDisplay":
        self._progress.start()
        return self

    def __exit__(self, *_) -> None:
        self._progress.stop()

    def __call__(self, state: TrainState, record: Record) -> None:
        if not math.isnan(record.error):
            self._error = record.error
        self._progress.update(
            self._task,
            completed=record.iteration,
            loss=record.loss,
            error="" if math.isnan(self._error) else f"error {self._error:.2e}",
            rank=record.rank if record.rank >= 0 else "-",
            step_size=record.step_size,
        )


class _Rate(ProgressColumn):
    """Iterations a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} it/s" if task.speed else "- it/s")


class _TimeLeft(ProgressColumn):
    """The time until the first of the two budgets is spent."""

    def __init__(self, stopping: Stopping):
        super().__init__()
        self._stopping = stopping
        self._start = time.perf_counter()

    def render(self, task: Task) -> Text:
        left = self._stopping.seconds - (time.perf_counter() - self._start)
        if task.speed and task.total is not None:
            left = min(left, (task.total - task.completed) / task.speed)
        if not math.isfinite(left):
            return Text("-:-- left")
        minutes, seconds = divmod(max(0, round(left)), 60)
        return Text(f"{minutes}:{seconds:02d} left")
