"""Runs that are killed, files that are damaged, problems that are wrong: what survives, and what is claimed.

    python -m benchmarks reliability [kills] [identity] [files] [tables] [meshes] [claims] [soak]

All parts take about two hours, half of it the soak. Each one is kept in `results/reliability.json` as soon as it is
done, with a table in `results/reliability.md`; without a name, those that are missing are run.
"""

import contextlib
import dataclasses
import functools
import io
import json
import math
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import jax
import meshio
import numpy as np
import pyarrow
import pyarrow.parquet

from benchmarks.machine import RESULTS, machine
from sngd.cli import main as command_line
from sngd.descent import FactorDescent
from sngd.files import read_data, read_mesh, write_atomically
from sngd.geometry import GaussLegendre
from sngd.library import PAPER_PROBLEMS, find_problem
from sngd.problem import AbstractProblem, Dirichlet, Initial, Neumann, Problem
from sngd.search import FixedStep, GainRatio, GridSearch
from sngd.solver import (
    OPTIMIZERS,
    Checkpoints,
    Optimizer,
    Record,
    Result,
    Snapshot,
    Solution,
    Stopping,
    load,
    save,
    solve,
)

PATH = RESULTS / "reliability.json"

PARTS = {
    "kills": "runs killed at random instants, and resumed",
    "identity": "runs of every optimizer and search, stopped and resumed",
    "files": "damaged files of every kind, read",
    "tables": "damaged CSV and Parquet files of measured data, read",
    "meshes": "damaged STL, OBJ, PLY, VTK and Gmsh files, read",
    "claims": "problems with too few points, too small a network, a wrong condition or contradictory ones",
    "soak": "memory of one run over an hour",
}

KILLS, MUTATIONS, TABLE_MUTATIONS, MESH_MUTATIONS, SOAK_SECONDS = 30, 10_000, 2_000, 2_000, 3600.0

# The files of meshes: their ending, and how meshio writes them.
MESH_FILES: dict[str, tuple[str, dict[str, Any]]] = {
    "STL": ("stl", {"binary": True}),
    "STL of text": ("stl", {"binary": False}),
    "OBJ": ("obj", {}),
    "PLY": ("ply", {"binary": True}),
    "PLY of text": ("ply", {"binary": False}),
    "VTK": ("vtk", {"file_format": "vtk42", "binary": True}),
    "VTK of text": ("vtk", {"file_format": "vtk51", "binary": False}),
    "VTU": ("vtu", {}),
    "Gmsh 4.1": ("msh", {"file_format": "gmsh", "binary": False}),
    "Gmsh 2.2": ("msh", {"file_format": "gmsh22", "binary": False}),
}

# What numbers in files of meshes are replaced by: in text, and in binary files, with the format for `struct.pack`.
SPOILED_TEXT = (b"nan", b"inf", b"-1e300", b"1e-300", b"warm", b"", b"-1", b"0", b"4294967295", b"1e3")
SPOILED = [("<f", each) for each in (math.nan, math.inf, 3e38)] + [("<d", each) for each in (math.nan, 1e300)]
SPOILED += [("<i", -1), ("<i", 0), ("<i", 1000), ("<I", 2**32 - 1), ("<q", 2**62)]

# Results with which a run says that it has found the solution.
CONVERGED = (Result.FLOOR_REACHED, Result.TARGET_REACHED)

# What an error about a file speaks of.
NAMED = ("path", "checkpoint", "solution in", "folder is", "it must be", "noise of readings")

SEARCHES = {"fixed": FixedStep(1e-8), "grid": GridSearch(smallest=1e-16), "gain ratio": GainRatio()}


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    parts = {
        "kills": kills,
        "identity": identity,
        "files": files,
        "tables": tables,
        "meshes": meshes,
        "claims": claims,
        "soak": soak,
    }
    kept = json.loads(PATH.read_text()) if PATH.exists() else {}
    for name in sys.argv[1:] or [name for name in parts if name not in kept]:
        start = time.perf_counter()
        result = parts[name]() | {"wall_seconds": round(time.perf_counter() - start), "machine": machine()}
        kept = (json.loads(PATH.read_text()) if PATH.exists() else {}) | {name: result}
        text = json.dumps(kept, indent=1) + "\n"
        write_atomically(PATH, lambda partial, text=text: partial.write_text(text))
        PATH.with_suffix(".md").write_text(tabulate(kept))
        print(json.dumps({name: result}, indent=1))


def tabulate(kept: dict[str, Any]) -> str:
    """A Markdown table, one line a part."""
    said = {name: _said(name, kept[name]) if name in kept else "not measured" for name in PARTS}
    return (
        "\n".join(["| measured | found |", "|---|---|", *(f"| {PARTS[name]} | {said[name]} |" for name in PARTS)])
        + "\n"
    )


def _said(name: str, found: dict[str, Any]) -> str:
    match name:
        case "kills":
            return (
                f"{found['kills_survived']} of {found['kills_tried']} survived, with the same last line of the history"
            )
        case "identity":
            return f"{found['identical']} of {found['optimizers']} identical to the last bit"
        case "files" | "tables" | "meshes":
            counts: dict[str, int] = {}
            for outcomes in found["outcomes"].values():
                for outcome, count in outcomes.items():
                    counts[outcome] = counts.get(outcome, 0) + count
            return ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(counts.items()))
        case "claims":
            return (
                f"{found['false_successes']} false successes in {found['runs']} runs, of which "
                f"{found['said_to_have_converged']} said that they had converged"
            )
        case _:
            return f"{found['mib_at_minute_5']:.0f} MiB at minute 5, {found['mib_at_minute_60']:.0f} MiB at minute 60"


def kills() -> dict[str, Any]:
    """Kill processes at random instants of their start and their steps, resume them; compare with one left alone."""
    source, killed, chains = random.Random(0), 0, []
    run = ["run", "poisson", "--network", "2x20", "--optimizer", "two-pass", "--iterations", "1500", "--points", "16"]
    with tempfile.TemporaryDirectory() as folder:
        command([*run, "--out", f"{folder}/whole"]).wait()
        whole = last_line(Path(folder, "whole"))
        while killed < KILLS:
            out = Path(folder, f"chain{len(chains)}")
            count = kill_until_done([*run, "--checkpoint-every", "0.2", "--out", str(out)], out, source, KILLS - killed)
            chains.append({"kills": count, "identical": last_line(out) == whole})
            killed += count
    survived = sum(chain["kills"] for chain in chains if chain["identical"])
    return {"kills_tried": killed, "kills_survived": survived, "chains": chains, "last_line": whole}


def kill_until_done(begin: list[str], out: Path, source: random.Random, most: int) -> int:
    """Kill a run again and again, after a random time each, and resume it, until it ends; returns how often."""
    process = command(begin)
    for count in range(most):
        try:
            process.wait(source.uniform(3, 15))
            return count
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            process = command(["resume", str(out)] if (out / "settings.json").exists() else begin)
    process.wait()
    return most


def command(arguments: list[str]) -> subprocess.Popen:
    """A process of the command line."""
    whole = [sys.executable, "-m", "sngd.cli", *arguments]
    return subprocess.Popen(whole, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def last_line(out: Path) -> list[str]:
    """The last line of a run's history but for its seconds: iteration, loss, error and the rest, to the last digit."""
    path = out / "history.csv"
    return path.read_text().splitlines()[-1].split(",")[:-1] if path.exists() else []


class KilledError(Exception):
    """Ends a run where it stands."""


def identity() -> dict[str, Any]:
    """Stop a run of every optimizer and every search after four steps of twelve, and compare it with a whole one."""
    optimizers: dict[str, Any] = {name: name for name in OPTIMIZERS}
    optimizers |= {f"damped, {name}": Optimizer(FactorDescent(), search) for name, search in SEARCHES.items()}
    problem, found = find_problem("bvp"), dict.fromkeys(optimizers, False)
    for name, optimizer in optimizers.items():
        with tempfile.TemporaryDirectory() as folder:
            settings = {"optimizer": optimizer, "stopping": Stopping(12, patience=1000), "key": jax.random.key(0)}
            whole = solve(problem, "2x10", **settings)
            try:
                solve(problem, "2x10", callbacks=[stop_at(4)], checkpoints=Checkpoints(folder, seconds=0), **settings)
            except KilledError:
                resumed = solve(problem, "2x10", checkpoints=Checkpoints(folder, resume=True), **settings)
                found[name] = equal(whole, resumed)
    return {"optimizers": len(optimizers), "identical": sum(found.values()), "each": found}


def stop_at(iteration: int) -> Callable:
    """A callback that ends a run where it stands."""

    def callback(snapshot: Snapshot, record: Record) -> None:
        if record.iteration == iteration:
            raise KilledError

    return callback


def equal(one: Solution, other: Solution) -> bool:
    """Whether two runs are the same to the last digit, but for their seconds."""
    names = [name for name in vars(one.history) if name != "seconds"]
    histories = [
        np.array_equal(getattr(one.history, name), getattr(other.history, name), equal_nan=True) for name in names
    ]
    leaves = zip(jax.tree.leaves(one.network), jax.tree.leaves(other.network), strict=True)
    return all(histories) and all(np.array_equal(mine, theirs) for mine, theirs in leaves)


def files() -> dict[str, Any]:
    """Damage files of every kind in 10,000 ways, and read them."""
    source, problem = random.Random(0), find_problem("bvp")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoints = Checkpoints(folder / "checkpoints", seconds=0, keep=1)
        save(
            solve(problem, "1x6", key=jax.random.key(0), stopping=Stopping(2), checkpoints=checkpoints),
            folder / "s.npz",
        )
        command(["run", "bvp", "--network", "1x6", "--iterations", "2", "--out", f"{name}/out"]).wait()
        (checkpoint,) = (folder / "checkpoints").iterdir()
        kinds: dict[str, tuple[bytes, Callable[[bytes], object]]] = {
            "solution": (
                (folder / "s.npz").read_bytes(),
                lambda content: read_solution(folder / "m.npz", content, problem),
            ),
            "checkpoint": (checkpoint.read_bytes(), lambda content: read_checkpoint(folder / "c", content, problem)),
            "settings": (
                (folder / "out/settings.json").read_bytes(),
                lambda content: read_settings(folder / "r", content),
            ),
        }
        shares = {"solution": 0.45, "checkpoint": 0.05, "settings": 0.5}
        found = {}
        for kind, (content, read) in kinds.items():
            outcomes = [outcome(read, mutated(content, source)) for _ in range(int(shares[kind] * MUTATIONS))]
            found[kind] = {said: outcomes.count(said) for said in sorted(set(outcomes))}
    return {"mutations": MUTATIONS, "outcomes": found}


def tables() -> dict[str, Any]:
    """Damage a CSV and a Parquet file of forty readings in 1,000 ways each, and read them."""
    source, found = random.Random(0), {}
    columns = dict(zip("txus", np.random.default_rng(0).uniform(0.1, 1, size=(4, 40)), strict=True))
    with tempfile.TemporaryDirectory() as name:
        text, parquet = Path(name, "readings.csv"), Path(name, "readings.parquet")
        np.savetxt(text, np.stack(list(columns.values()), axis=1), delimiter=",", header="t,x,u,s", comments="")
        pyarrow.parquet.write_table(pyarrow.table(columns), parquet)
        for kind, path in (("CSV", text), ("Parquet", parquet)):
            content, read = path.read_bytes(), functools.partial(read_table, path)
            outcomes = [outcome(read, mutated(content, source)) for _ in range(TABLE_MUTATIONS // 2)]
            found[kind] = {said: outcomes.count(said) for said in sorted(set(outcomes))}
    return {"mutations": TABLE_MUTATIONS, "outcomes": found, "pyarrow": pyarrow.__version__}


def meshes() -> dict[str, Any]:
    """Damage files of one surface in 2,000 ways, and read them. A file that is read encloses a volume."""
    source, found = random.Random(0), {}
    vertices, triangles = ring(12, 8)
    each = MESH_MUTATIONS // len(MESH_FILES)
    with tempfile.TemporaryDirectory() as name:
        for kind, (ending, written) in MESH_FILES.items():
            path = Path(name, f"surface.{ending}")
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                meshio.write(path, meshio.Mesh(vertices, [("triangle", triangles)]), **written)
            content, read = path.read_bytes(), functools.partial(read_surface, path)
            damages = [(mutated, spoiled_numbers)[at % 2] for at in range(each - 1)]
            outcomes = [outcome(read, damage(content, source)) for damage in damages] + [outcome(read, b"")]
            found[kind] = {said: outcomes.count(said) for said in sorted(set(outcomes))}
    return {"mutations": MESH_MUTATIONS, "outcomes": found, "meshio": meshio.__version__}


def ring(around: int, across: int) -> tuple[np.ndarray, np.ndarray]:
    """The vertices and triangles of a torus with the radii 1 and 0.4."""
    one, two = (each.ravel() for each in np.meshgrid(np.arange(around), np.arange(across), indexing="ij"))
    angle, turn = 2 * np.pi * one / around, 2 * np.pi * two / across
    distance = 1 + 0.4 * np.cos(turn)
    vertices = np.stack([distance * np.cos(angle), distance * np.sin(angle), 0.4 * np.sin(turn)], axis=1)
    number = lambda i, j: i % around * across + j % across
    corners = [number(one + i, two + j) for i, j in ((0, 0), (1, 0), (1, 1), (0, 1))]
    return vertices, np.concatenate([np.stack([corners[at] for at in each], axis=1) for each in ((0, 1, 2), (0, 2, 3))])


def spoiled_numbers(content: bytes, source: random.Random) -> bytes:
    """The content with one to four of its numbers replaced by others, or by what is no number."""
    for _ in range(source.randint(1, 4)):
        places = [place.span() for place in re.finditer(rb"(?<=\s)[-+.\deE]+(?=\s)", content)]
        if content.isascii() and places:
            (start, end), new = source.choice(places), source.choice(SPOILED_TEXT)
        else:
            new, start = struct.pack(*source.choice(SPOILED)), source.randrange(len(content))
            end = start + len(new)
        content = content[:start] + new + content[end:]
    return content


def mutated(content: bytes, source: random.Random) -> bytes:
    """The content, cut, overwritten, or with something put in between, in one to four places."""
    for _ in range(source.randint(1, 4)):
        where, new = source.randrange(len(content)), source.randbytes(source.randint(1, 16))
        kind = source.choice(["cut", "overwrite", "insert", "flip"])
        match kind:
            case "cut":
                content = content[: max(1, where)]
            case "overwrite":
                content = content[:where] + new + content[where + len(new) :]
            case "insert":
                content = content[:where] + new + content[where:]
            case "flip":
                content = content[:where] + bytes([content[where] ^ 1 << source.randrange(8)]) + content[where + 1 :]
    return content


def outcome(read: Callable[[bytes], object], content: bytes) -> str:
    """What a reader does with this content: reads it, refuses it with our own error, or fails otherwise."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            read(content)
        except ValueError as error:
            return "refused" if any(word in str(error) for word in NAMED) else "refused, without its name"
        except Exception as error:
            return f"crashed: {type(error).__name__}"
    return "read"


def read_solution(path: Path, content: bytes, problem: AbstractProblem) -> None:
    path.write_bytes(content)
    load(path, problem)


def read_table(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    read_data(path, points=("t", "x"), values="u", noise="s")


def read_surface(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert 0 < read_mesh(path).measure < np.inf


def read_checkpoint(folder: Path, content: bytes, problem: AbstractProblem) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "00000002.npz").write_bytes(content)
    options = Checkpoints(folder, resume=True)
    solve(problem, "1x6", key=jax.random.key(0), stopping=Stopping(2), checkpoints=options)


def read_settings(folder: Path, content: bytes) -> None:
    """By `sngd resume`, with a budget that it refuses once it has read them: what it says tells which it was."""
    folder.mkdir(exist_ok=True)
    (folder / "settings.json").write_bytes(content)
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        status = command_line(["resume", str(folder), "--iterations", "-1"])
    if status == 2 and "iterations is -1" not in said.getvalue():
        raise ValueError(said.getvalue())


def claims() -> dict[str, Any]:
    """Solve problems with too few points, too small a network, a wrong condition or contradictory ones.

    A false success is a run that says that it converged, while its error is above a hundred times its own estimate. The
    runs do not know the exact solution where a user would not; for contradictory data there is none, and every success
    is a false one.
    """
    runs = []
    for seed in range(2):
        for label, problem, network, truth in spoiled():
            solution = solve(problem, network, key=jax.random.key(seed), stopping=Stopping(400, 60))
            error = None if truth is None else solution.relative_l2(truth)
            converged = solution.result in CONVERGED
            false = converged and (error is None or error > 100 * solution.error_estimate)
            runs.append(
                {
                    "case": label,
                    "seed": seed,
                    "result": solution.result.value,
                    "relative_l2": error,
                    "error_estimate": solution.error_estimate,
                    "converged": converged,
                    "false_success": false,
                }
            )
            print(label, seed, solution.result.value, error, solution.error_estimate, flush=True)
    return {
        "runs": len(runs),
        "said_to_have_converged": sum(run["converged"] for run in runs),
        "false_successes": sum(run["false_success"] for run in runs),
        "each": runs,
    }


def spoiled() -> Iterator[tuple[str, AbstractProblem, str, Callable | None]]:
    """What is wrong, the problem, the network, and the exact solution, where there is one."""
    for name in PAPER_PROBLEMS:
        problem = find_problem(name)
        blind = dataclasses.replace(problem, exact=None)
        for points in (3, 6):
            few = dataclasses.replace(blind, quadrature=GaussLegendre(points))
            yield f"{name}, {points} points an axis", few, "3x16", problem.exact
        for network in ("1x3", "2x6"):
            yield f"{name}, network {network}", blind, network, problem.exact
        if isinstance(problem, Problem) and isinstance(blind, Problem):
            yield f"{name}, wrong condition", changed(problem, _wrong), "3x16", problem.exact
            yield f"{name}, contradictory conditions", changed(blind, _contradictory), "3x16", None


def changed(problem: Problem, change: Callable) -> Problem:
    """The problem with its last condition that states values replaced by what `change` makes of it."""
    kinds = Dirichlet | Initial | Neumann
    last = max(at for at, condition in enumerate(problem.conditions) if isinstance(condition, kinds))
    conditions = list(problem.conditions)
    conditions[last : last + 1] = change(conditions[last])
    return dataclasses.replace(problem, conditions=conditions)


def _negative(condition: Any, shift: float) -> Any:
    value = condition.value
    at: Callable[[Any], Any] = value if callable(value) else lambda x: value
    return dataclasses.replace(condition, value=lambda x: shift - at(x))


def _wrong(condition: Any) -> Iterable[Any]:
    """Its values with the wrong sign, and a half added, since some are zero."""
    return [_negative(condition, 0.5)]


def _contradictory(condition: Any) -> Iterable[Any]:
    """The condition, and beside it another one on the same faces."""
    return [condition, _negative(condition, 0.5)]


def soak() -> dict[str, Any]:
    """One run for an hour, with checkpoints, and pauses so that other work can go on; its memory every five minutes."""
    resident, start = [], time.perf_counter()

    def watch(snapshot: Snapshot, record: Record) -> None:
        time.sleep(0.2)
        if record.seconds // 300 > len(resident):
            resident.append(round(memory_bytes() / 2**20, 1))

    with tempfile.TemporaryDirectory() as folder:
        stopping = Stopping(10**9, SOAK_SECONDS, patience=10**9)
        solution = solve(
            find_problem("poisson"),
            "2x20",
            key=jax.random.key(0),
            optimizer="two-pass",
            stopping=stopping,
            callbacks=[watch],
            checkpoints=Checkpoints(folder, seconds=10),
        )
    return {
        "iterations": int(solution.history.iteration[-1]),
        "checkpoints_every_seconds": 10,
        "seconds": round(time.perf_counter() - start),
        "mib_every_five_minutes": resident,
        "mib_at_minute_5": resident[0],
        "mib_at_minute_60": round(memory_bytes() / 2**20, 1),
    }


def memory_bytes() -> int:
    """The resident memory of this process now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
