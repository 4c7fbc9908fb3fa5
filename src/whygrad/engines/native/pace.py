"""How many threads share a step: as many as took the least time, on this machine and beside what it runs.

Two cores that lie far apart, or one that another program uses as well, can take longer together than one
alone, by what they tell each other: 142 µs in the place of 107 for a step of 100-256-128-10 were seen, and
69 where the same two lie close. No shape says which it is. So a training now and then takes a call's steps
with half or twice as many threads, and goes on with the faster. No bit depends on it.
"""

from dataclasses import dataclass, field

FEWEST = 8  # steps of a call that says something about one
LONG = 1e-3  # seconds of a step beyond which what threads tell each other hardly counts
CLEARLY = 0.95  # of the time that was needed before: less is a reason to change
LATEST = 64  # calls from one trial to the next, at most


@dataclass
class Pace:
    """What a training's calls have taken so far, by the number of threads."""

    best: int = 0
    given: int = 0
    seconds: float = 0.0  # of a step, the least since the last trial
    calls: int = 0  # since then
    wait: int = 2  # as many are between trials
    fewer: bool = True  # what the next trial tries
    most: int = field(default=0, repr=False)

    def threads(self, most: int) -> int:
        """Return how many threads take the next call's steps, of at most so many."""
        if most != self.most:
            self.most, self.best, self.seconds, self.calls, self.wait = most, most, 0.0, 0, 2
        self.given = self.best
        if most > 1 and self.calls >= self.wait and self.seconds < LONG:
            self.given = self._other()
        return self.given

    def _other(self) -> int:
        half, twice = self.best // 2, min(self.most, 2 * self.best)
        return half if half >= 1 and (self.fewer or twice == self.best) else twice

    def saw(self, steps: int, seconds: float) -> None:
        """Learn what the call took."""
        if steps < FEWEST or self.most == 1:
            return
        step = seconds / steps
        if self.given == self.best:
            # The first call may have had to wait for threads to begin.
            self.seconds = step if self.calls <= 1 else min(self.seconds, step)
            self.calls += 1
            return
        changed = step < CLEARLY * self.seconds
        self.wait = 2 if changed else min(LATEST, 2 * self.wait)
        self.best, self.seconds = (self.given, step) if changed else (self.best, step)
        self.calls, self.fewer = 0, not self.fewer
