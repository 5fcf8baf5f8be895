"""Kill, freeze and starve the workers of a search, and check that nothing is lost.

Real processes search with made-up metrics on a real storage while workers are killed at random
moments, planners before and after they commit, workers are frozen past their lease and thawed,
the storage is restarted, trials fail and return NaN. Then the study is checked: one plan per
level, every planned cell trained or out of tries, the same cells as an undisturbed search, two
trainings of a cell only where a trial was declared dead, every worker ended by itself.

    python tests/faults.py --storage sqlite --workers 4 --kills 3
    python tests/faults.py --storage postgresql --workers 8 --minutes 10
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from dataclasses import field
from multiprocessing.process import BaseProcess
import os
from pathlib import Path
import random
import signal
import sys
import tempfile
import time

import optuna


sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from optuna_popnas.study import StudyView
from optuna_popnas.study import view_study
from tests.command_faults import play_commands
from tests.crew import Crew
from tests.crew import LEASE
from tests.crew import MAX_TRIES
from tests.crew import objective
from tests.crew import PROCESSES
from tests.crew import sampler
from tests.crew import send
from tests.services import KINDS
from tests.services import MissingService
from tests.services import open_storage
from tests.services import Service
from tests.verdict import ends
from tests.verdict import planned


# One round -----------------------------------------------------------------------------------


@dataclass
class Outcome:
    """What a round has shown."""

    plans: int = 0
    cells: int = 0
    lost: int = 0
    duplicated: int = 0
    excused: int = 0
    hung: int = 0
    running: int = 0
    problems: list[str] = field(default_factory=list)


def play(kind: str, folder: Path, arguments: argparse.Namespace, seed: int) -> Outcome:
    """Run one search with faults and judge it."""
    rng = random.Random(seed)
    with Service(kind, folder) as service:
        optuna.create_study(
            study_name="faults",
            storage=open_storage(service.address),
            directions=["maximize", "minimize"],
        )
        marked = ["before-commit", "after-commit"][: arguments.kills]
        for mark in marked:
            (folder / mark).touch()
        crew = Crew(service.address, folder, arguments.workers)
        finished = inflict(crew, service, arguments, rng)
        hung = crew.end()
        study = optuna.load_study(study_name="faults", storage=open_storage(service.address))
        outcome = judge(view_study(study))
        outcome.running = sum(not trial.state.is_finished() for trial in study.trials)
        outcome.problems += undisturbed_differences(study)
        errors = (folder / "errors").read_text()
        if not finished:
            running = [trial for trial in study.trials if not trial.state.is_finished()]
            told = "\n".join(f"{t.number} {t.user_attrs} {t.system_attrs}" for t in running)
            late = f"not done after {arguments.limit:g} s"
            outcome.problems.append(f"{late}\n{told}\n{errors[-9000:]}")
    outcome.hung = hung
    marks = sum(not (folder / mark).exists() for mark in marked)
    if crew.restarted > crew.killed + marks:
        outcome.problems.append(f"workers ended with errors: {errors[-2000:]}")
    return outcome


def inflict(
    crew: Crew, service: Service, arguments: argparse.Namespace, rng: random.Random
) -> bool:
    """Do harm at random moments; return whether the search ended in time."""
    started = time.monotonic()
    spread = arguments.spread
    deeds = [(rng.uniform(1.0, spread), "kill") for _ in range(arguments.kills)]
    deeds += [(rng.uniform(1.0, spread), "freeze") for _ in range(arguments.freezes)]
    deeds += [(rng.uniform(1.0, spread), "restart") for _ in range(arguments.restarts)]
    thaws: list[tuple[float, BaseProcess]] = []
    while crew.watch():
        now = time.monotonic() - started
        if now > arguments.limit:
            return False
        for deed in [deed for deed in deeds if deed[0] <= now]:
            deeds.remove(deed)
            if deed[1] == "kill":
                crew.signal(signal.SIGKILL, rng)
            elif deed[1] == "restart":
                service.restart()
            else:
                frozen = crew.signal(signal.SIGSTOP, rng)
                if frozen is not None:
                    thaws.append((now + LEASE + rng.uniform(1.0, 3.0), frozen))
        for thaw in [thaw for thaw in thaws if thaw[0] <= now]:
            thaws.remove(thaw)
            send(thaw[1], signal.SIGCONT)
        time.sleep(0.02)
    return True


# Judgement -----------------------------------------------------------------------------------


def judge(search: StudyView) -> Outcome:
    """Compare what was planned with what was trained."""
    outcome = Outcome(plans=len(search.plans))
    levels = [(plan.level, plan.wave) for plan in search.plans]
    if len(set(levels)) != len(levels):
        outcome.problems.append(f"more than one plan for a level: {levels}")
    if not search.done:
        outcome.problems.append("the search is not done")
    done, failed, excused = ends(search)
    for key in planned(search):
        outcome.cells += 1
        if not done[key] and failed[key] < MAX_TRIES:
            outcome.lost += 1
            outcome.problems.append(f"lost: {key[0]}")
        extra = max(0, done[key] - 1)
        outcome.excused += min(extra, excused[key])
        outcome.duplicated += max(0, extra - excused[key])
    return outcome


def undisturbed_differences(study: optuna.Study) -> list[str]:
    """Compare the plans with those of a search by one worker whom nobody disturbs."""
    quiet = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler())
    quiet.optimize(lambda trial: objective(trial, 0.0), catch=(ArithmeticError,))
    expected, got = view_study(quiet).plans, view_study(study).plans
    return [
        f"the plan of level {ours.level} differs from that of an undisturbed search"
        for ours, theirs in zip(got, expected)
        if {planned.cell for planned in ours.cells} != {planned.cell for planned in theirs.cells}
    ]


def main() -> None:
    # Killed processes lose no file, so that no disk is needed and a slow one would only cost time.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--storage", choices=KINDS, default="sqlite")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--kills", type=int, default=3, help="workers killed per round")
    parser.add_argument("--freezes", type=int, default=1, help="workers frozen per round")
    parser.add_argument("--restarts", type=int, default=1, help="storage restarts per round")
    parser.add_argument("--command", action="store_true", help="run optuna-popnas search itself")
    parser.add_argument("--outages", type=int, default=3, help="of the storage, with --command")
    parser.add_argument("--hangups", type=int, default=0, help="of the terminal, with --command")
    parser.add_argument("--minutes", type=float, default=0.0, help="play rounds for so long")
    parser.add_argument("--runs", type=int, default=1, help="play at least so many rounds")
    parser.add_argument("--limit", type=float, default=55.0, help="seconds before a round hangs")
    parser.add_argument("--spread", type=float, default=8.0, help="harm within so many seconds")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument(
        "--folder", default=memory, help=f"where the files go, {memory} by default"
    )
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    PROCESSES.set_forkserver_preload(["tests.crew"])
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    seed = random.SystemRandom().randrange(10**6) if arguments.seed is None else arguments.seed
    started = time.monotonic()
    if arguments.command:
        sys.exit(play_commands(arguments, seed))
    outcomes: list[Outcome] = []
    while len(outcomes) < arguments.runs or time.monotonic() - started < 60 * arguments.minutes:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
            try:
                outcomes.append(play(arguments.storage, Path(name), arguments, seed))
            except MissingService as error:
                sys.exit(str(error))
        for problem in outcomes[-1].problems:
            print(f"seed {seed}: {problem}")
        seed += 1
    total = {
        name: sum(getattr(outcome, name) for outcome in outcomes)
        for name in ("plans", "cells", "lost", "duplicated", "excused", "hung", "running")
    }
    problems = sum(len(outcome.problems) for outcome in outcomes)
    print(
        f"{arguments.storage}: {len(outcomes)} runs, {arguments.workers} workers, "
        f"{total['plans']} plans, {total['cells']} cells, {total['lost']} lost, "
        f"{total['duplicated']} duplicated ({total['excused']} more after a death), "
        f"{total['hung']} hung, {total['running']} trials left running, "
        f"{problems} problems, {time.monotonic() - started:.0f} s"
    )
    sys.exit(bool(total["lost"] or total["duplicated"] or total["hung"] or problems))


if __name__ == "__main__":
    main()
