"""What the page's stage is sent of what the session shows: a header, examples, and states in pieces.

    header.json              network, names, examples, the steps there are, and what each comes to
    news.json?after=100      of the steps from the 100th on the same, and how the training is doing
    states?from=100&to=200   their parameters, float32
    example?part=test&row=7  an example that the header does not carry
    begin                    begin the training of a studio that was opened without a run
    pause, go, step, epoch   the same as the session's commands, for a page that has no socket yet
    picture.svg              the network as a still drawing, where there can be no stage

All tabs get the same states. While a training goes on they become more with every look at it; where they
are too many every second one is left out, and `feed` is another: states of another are to be forgotten.
"""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from whygrad.errors import WhygradError
from whygrad.nn import Array, Data, count
from whygrad.plan.plan import Plan, State
from whygrad.record import replay
from whygrad.record.files.stored import judged
from whygrad.studio.film.recording import (
    COLUMNS,
    MOST,
    Frame,
    Part,
    as_json,
    chosen_steps,
    frame_of,
    header,
    in_float32,
    recorded_curves,
    to_base64,
    with_frames,
    written,
)
from whygrad.studio.process.control import COMMANDS
from whygrad.studio.session import scoring
from whygrad.studio.session.ahead import Ahead
from whygrad.studio.session.controls import controls
from whygrad.studio.session.opened_run import OpenedRun
from whygrad.studio.session.session import SLOWLY, Session
from whygrad.studio.session.subject import Rows, Subject, overview

ROOM = 48_000_000  # bytes of them
AT_ONCE = 40  # states that a training adds between two looks, where they can be computed again
SHORT = 2e8  # parameters times examples times steps: computed again in a moment
OPENED = scoring.SHORT  # by `work`, of a run that is opened and may have kept only its ends

BYTES = "application/octet-stream"


class Feed:
    """The states of what a session shows; `answer` may be asked by several threads."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._lock = threading.Lock()
        self._key: Any = None
        self._shown, self._thinned = 0, 0
        self._ahead: Ahead | None = None  # of the training that the first look has begun
        self._about: dict[str, Any] = {}
        self._curves: dict[str, Any] | None = None  # that the run recorded
        self._parts: dict[str, Part] = {}
        self._run: Path | None = None  # that the frames are of
        self._beside: dict[Path, dict[str, Any]] = {}  # the curves of the run that was shown before
        self.frames: list[Frame] = []
        self.states: list[Array] = []

    def answer(self, path: str, query: Mapping[str, str]) -> tuple[str, bytes] | None:
        """Return kind and content of what a path names, None where there is nothing."""
        with self._lock:
            if path == "header.json":
                return _told(self._header)
            if path == "news.json":
                return _told(self._news, _whole(query.get("after")))
            if path == "example":
                return _json(self._example(query.get("part", ""), _whole(query.get("row"))))
            if path == "begin":
                return _told(self._begin_training)
            if path in COMMANDS:
                return _told(self._command, path)
            if path == "picture.svg":
                return "image/svg+xml", _drawing(self.session.subject())
            if path == "states":
                piece = self.states[_whole(query.get("from")) : _whole(query.get("to"))]
                return (BYTES, np.stack(piece).tobytes()) if piece else None
        return None

    def _begin_training(self) -> dict[str, Any]:
        """Begin the training of a studio that was opened without a run: there is to be something to see."""
        if self.session.first_look():
            self._look()
            self.session.go()
            self._go_ahead()
        return {}

    def _command(self, command: str) -> dict[str, Any]:
        """Pause the training, or let it go on."""
        if command == "pause":
            self.session.pause()
        else:
            self.session.go(command)
        return {}

    def _header(self) -> dict[str, Any]:
        """Return the header of now."""
        now = self._look()
        return self._framed() | now

    def _news(self, after: int) -> dict[str, Any]:
        """Return what the steps after so many come to, and how the training is doing."""
        now, found = self._look(), self._framed()
        steps, epochs, rate = found["steps"], found["epochs"], found["batch"]["rate"]
        new = {"steps": steps[after:], "epochs": epochs[after:], "rate": rate[after:]}
        return new | {"curves": found["curves"]} | now

    def _example(self, part: str, row: int) -> dict[str, Any]:
        """Return one example of a part as the header has its own, or why there is none."""
        rows = self._parts.get(part)
        if rows is None or row >= len(rows):
            return {"error": f"there is no {part:.20} example {row}"}
        one, cells = rows.at(np.array([row])), rows.rows(row)
        about = {name: to_base64(np.asarray(of)) for name, of in (("X", one.X), ("Y", one.Y))}
        return about | {"cells": [written(value) for value in cells.values()]}

    def _look(self) -> dict[str, Any]:
        """Look at what is shown, and return how its training is doing."""
        if self._ahead is not None:
            self._follow_ahead(self._ahead)
        now = self.session.now
        if self._ahead is None:
            if (now.version, now.opened_run) != self._key:
                self._key = None
                self._begin()
                self._key = (now.version, now.opened_run)
            if now.opened_run is not None:
                self._go_on(now.opened_run)
        notice = self._about["note"]
        active = self.session.active
        begun = now.opened_run is not None or active
        return {
            "feed": f"{self._shown}.{self._thinned}",
            "run": self._about["run"],
            "running": self.session.running and (self._ahead is None or self._ahead.goes),
            "live": active or (not begun and now.config is not None),  # whether it can go on
            "begun": begun,
            "training": controls(self.session, notice) | self._ahead_in_words(),
        }

    # ── ahead of the run ──

    def _go_ahead(self) -> None:
        """Show the first steps of the training that was just begun before its process has recorded them."""
        config, worker = self.session.config, self.session.worker
        if config is not None and worker is not None:
            self._ahead = Ahead(config.ready.training, worker, self.session.speed or SLOWLY)
            self.session.turns = self._ahead.turn

    def _end_ahead(self) -> None:
        self._ahead = self.session.turns = None

    def _ahead_in_words(self) -> dict[str, str]:
        """Return how a training goes on that is shown ahead of its run; nothing of others."""
        last = self.frames[-1]
        if self._ahead is None or not last.step or not self.session.running:
            return {}
        at = f"step {last.step:,}, epoch {last.epoch:,}; its recording begins"
        if self._ahead.goes:
            return {"status": f"training: {at}"}
        return {"status": f"paused at {at}", "goes": "Go on"}

    def _follow_ahead(self, ahead: Ahead) -> None:
        """Go ahead until the run has come as far; then it is shown, and nothing is sent once more."""
        over = ahead.worker.status.over
        with suppress(WhygradError, OSError):  # it may not be readable at its very beginning
            self.session.follow()
        now = self.session.now
        if now.worker is ahead.worker and now.opened_run is not None:
            reached = ahead.reached_by(now.opened_run.run)
            if reached is None and not over:
                return
            self._end_ahead()
            if reached:
                self._take_over(now.opened_run)
            else:  # rounded otherwise: the run's own states take their place, at the same step
                shown, thinned = self._shown, self._thinned
                self._begin()
                self._shown, self._thinned = shown, thinned + 1
            self._key = (now.version, now.opened_run)
        elif now.worker is not ahead.worker or over:
            self._end_ahead()
            self._key = None  # something else is shown, or it could not begin
        elif self.session.running:
            for state in ahead.due():
                self._add(ahead.plan, state)
            self._thin()

    def _begin(self) -> None:
        """Take what is shown now, with the states that it has."""
        subject = self.session.subject()
        opened_run = self.session.opened_run
        self._keep_beside()
        several = None if subject.run is None else subject.run.manifest["data"].get("several")
        self._parts = {name: _part(rows, several) for name, rows in subject.parts.items()}
        config = self.session.config
        title = "" if config is None else config.title
        about = header(
            subject.plan,
            subject.names,
            self._parts,
            subject.theta.flat,
            title=title,
            note=subject.notice,
        )
        if about["examples"] is not None:
            about["examples"]["sizes"] = {name: len(part) for name, part in self._parts.items()}
        about["beside"] = next(iter(self._beside.values()), None)
        self._run = None
        self._about, self.frames, self.states, self._curves = about, [], [], None
        self._shown, self._thinned = self.session.version, 0
        if opened_run is None:
            self._add(subject.plan, subject.state)
            return
        self._take_over(opened_run)
        self._measured_by(opened_run)
        most = self._most()
        for state in _known(opened_run, subject, most):
            self._add(opened_run.run.plan_at(state.step), state)

    def _take_over(self, opened_run: OpenedRun) -> None:
        """Have what is shown be this run's."""
        self._run = opened_run.path
        self._about |= {"run": opened_run.path.name, "title": opened_run.path.stem}

    def _framed(self) -> dict[str, Any]:
        return with_frames(self._about, self.frames, self._curves)

    def _measured_by(self, opened_run: OpenedRun) -> None:
        """Take the curves that a run has recorded, for where its states, or some, are not measured."""
        epochs = opened_run.so_far().history.epochs
        if self._curves is None or len(epochs) != len(self._curves["at"]):
            self._curves = recorded_curves(opened_run.run, epochs)

    def _keep_beside(self) -> None:
        """Keep the curves of the run that was shown where it stays beside the next, as beside its fork."""
        others = {one.path for one in self.session.others}
        if self._run in others:
            curves = self._framed()["curves"]
            self._beside = {self._run: curves | {"name": self._run.stem}}
        elif self._beside.keys().isdisjoint(others):
            self._beside = {}

    def _go_on(self, opened_run: OpenedRun) -> None:
        """Add what the training has come to since."""
        subject = opened_run.subject()
        self._measured_by(opened_run)
        last = self.frames[-1].step
        if subject.step <= last:
            return
        for state in _between(opened_run, subject, last):
            self._add(subject.plan, state)
        self._thin()

    def _thin(self) -> None:
        while len(self.frames) > self._most():
            kept = sorted({*range(0, len(self.frames), 2), len(self.frames) - 1})
            self.frames = [self.frames[i] for i in kept]
            self.states = [self.states[i] for i in kept]
            self._thinned += 1

    def _most(self) -> int:
        return int(max(2, min(MOST, ROOM // (4 * int(self._about["count"])))))

    def _add(self, plan: Plan, state: State) -> None:
        self.frames.append(frame_of(plan, self._parts, state))
        self.states.append(in_float32(state.theta))


def _told(work: Callable[..., dict[str, Any]], *given: Any) -> tuple[str, bytes]:
    """Return what some work gives, or why it cannot be done, as this cannot be shown on a stage."""
    try:
        return _json(work(*given))
    except WhygradError as error:
        return _json({"error": str(error)})


def _json(found: Any) -> tuple[str, bytes]:
    return "application/json", as_json(found).encode()


def _drawing(subject: Subject) -> bytes:
    from whygrad.answers.draw.svg import picture_svg  # which nothing else of the stage needs

    return picture_svg(overview(subject)).encode()


def _whole(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 8 else 0


def _part(rows: Rows, several: Any) -> Part:
    known = rows.table is not None and rows.table.num_columns <= COLUMNS
    data = judged(Data(rows.X, rows.Y), several)
    return Part(data, rows.row) if known else Part(data)


def _is_short(subject: Subject, steps: int) -> bool:
    plan = subject.plan
    return plan.by_steps and steps * plan.batch_size * count(plan.net.sizes) <= SHORT


def _known(opened_run: OpenedRun, subject: Subject, most: int) -> list[State]:
    """Return the states of a run at equal distances, or those that were kept where it is long."""
    run, last = opened_run.run, subject.step
    short = (
        run.plan.by_steps and scoring.work(run.plan, last - run.start, run.engine.name) <= OPENED
    )
    if opened_run.rows() and short:
        return list(replay.states(run, chosen_steps(run.start, last, most)))
    kept = [one.step for one in run.snapshots(last)]
    some = kept[:: max(1, -(-len(kept) // (most - 1)))]
    found = [run.state(step).copy() for step in some]
    return found if found and found[-1].step >= last else [*found, subject.state]


def _between(opened_run: OpenedRun, subject: Subject, before: int) -> list[State]:
    """Return the states that a training went through since one, the freshest at the end."""
    gap = subject.step - before
    if gap > 1 and opened_run.rows() and _is_short(subject, gap):
        try:
            wanted = chosen_steps(before, subject.step, AT_ONCE)[1:]
            return list(replay.states(opened_run.run, wanted))
        except WhygradError:  # it is being written: the freshest will do
            pass
    return [subject.state]
