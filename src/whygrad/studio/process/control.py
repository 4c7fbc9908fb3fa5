"""A training at somebody's word: pause, go, one step, the rest of an epoch, so many steps a second.

    command  →  inbox  →  Control, asked between chunks of steps how far the next ones may go  →  tell

`Control` is the `StepController` of a training in a process of its own. It never changes a bit.
"""

import math
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

from whygrad.plan.plan import Plan, State

COMMANDS = ("pause", "go", "step", "epoch")
TICK = 0.05  # seconds between two groups of steps, where a speed asks for several at once
TOLD = 0.1  # seconds between two messages while training goes on
FAR = 2**62  # a step that no training reaches

Command = dict[str, Any]  # {"do": "pause"}, {"do": "speed", "value": 2.0}, {"do": "close"}
Tell = Callable[[str, State], None]  # takes "running" or "paused", and where the training stands


class Control:
    """How far a training may go, as the commands in `inbox` want it.

    Up to step `first` it goes freely, and pauses nowhere before: those steps are known already, and more
    may become so, or fewer. `speed` is in steps a second, None for as fast as it can. A single step is
    taken at once, whatever the speed.
    """

    def __init__(
        self,
        inbox: "SimpleQueue[Command]",
        tell: Tell,
        *,
        first: int = 0,
        paused: bool = False,
        speed: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.first = first
        self.waited = 0.0
        self._inbox, self._tell, self._clock = inbox, tell, clock
        self._pending: deque[Command] = deque()
        self._closing = False
        self._paused, self._speed = paused, speed
        self._goal: int | None = None  # where to pause
        self._single = False  # on the way to it is one step
        self._due = clock()  # when the next step may be taken
        self._before: int | None = None  # the step at which the last ones were allowed
        self._told: tuple[str, int] = ("", -1)
        self._told_at = -math.inf

    def __call__(self, plan: Plan, state: State, flush: Callable[[], None]) -> int:
        """Wait while training is to wait, then return the step up to which it may go."""
        began = self._clock()
        try:
            self._count(state.step)
            if state.step < self.first:
                self._receive()
                return state.step if self._closing else self.first
            if self._goal is not None and state.step >= self._goal:
                self._stop()
            if not self._waits(plan, state, flush):
                return state.step
            self._before = state.step
            return self._bound(state.step)
        finally:
            self.waited += self._clock() - began

    def turn_to(self, tell: Tell) -> None:
        """Bound another training from here on, which pauses where it is if the last one was to pause."""
        if self._goal is not None:
            self._stop()
        self._before, self._tell, self._told = None, tell, ("", -1)

    # ── waiting ──

    def _waits(self, plan: Plan, state: State, flush: Callable[[], None]) -> bool:
        """Wait until the next step may be taken; False where training is to end."""
        while True:
            self._obey(plan, state)
            if self._closing:
                return False
            if state.step < self.first:
                return True
            if self._paused:
                if self._told != ("paused", state.step):
                    flush()
                    self._say("paused", state)
                self._sleep(None)
                continue
            left = self._due - self._clock()
            if self._single or self._speed is None or left <= 0:
                if not self._single and self._clock() - self._told_at >= TOLD:
                    self._say("running", state)
                return True
            if self._told != ("running", state.step):
                self._say("running", state)
            self._sleep(left)

    def _say(self, kind: str, state: State) -> None:
        self._told, self._told_at = (kind, state.step), self._clock()
        self._tell(kind, state)

    def _sleep(self, seconds: float | None) -> None:
        """Wait for a command, or so long."""
        with suppress(Empty):
            self._take(self._inbox.get(timeout=seconds))

    # ── speed ──

    def _count(self, step: int) -> None:
        """Set when the next step may be taken, after those since it was last asked."""
        if self._speed is not None and self._before is not None:
            late = self._clock() - TICK  # what was missed longer ago is not made up for
            self._due = max(self._due + (step - self._before) / self._speed, late)
        self._before = None

    def _bound(self, step: int) -> int:
        if step < self.first:
            return self.first
        goal = FAR if self._goal is None else self._goal
        if self._single or self._speed is None:
            return goal
        return min(goal, step + max(1, round(self._speed * TICK)))

    # ── commands ──

    def _receive(self) -> None:
        while not self._inbox.empty():
            self._take(self._inbox.get())

    def _take(self, command: Command) -> None:
        if command["do"] == "close":
            self._closing = True
        self._pending.append(command)

    def _obey(self, plan: Plan, state: State) -> None:
        """Do as was said, in that order; what follows a single step is for when it has been taken."""
        self._receive()
        while self._pending and not self._single:
            command = self._pending.popleft()
            what = command["do"]
            if what == "pause":
                self._stop()
            elif what == "speed":
                self._speed, self._due = command["value"], self._clock()
            elif what == "known":
                self.first = command["value"]
            elif what in COMMANDS:
                self._paused, self._single = False, what == "step"
                self._due = self._clock()
                ends = {"go": None, "step": 1, "epoch": plan.steps_per_epoch - state.batch_index}[
                    what
                ]
                self._goal = None if ends is None else state.step + ends
                self._told, self._told_at = ("", -1), -math.inf

    def _stop(self) -> None:
        self._paused, self._goal, self._single = True, None, False
