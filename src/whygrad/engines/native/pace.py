"""How many threads share a step: as many as take the least time, on this machine and beside what else it runs.

Two cores that lie far apart, or one that other programs use as well, can take longer together than one
alone, by what they tell each other: a step of 100-256-128-10 took 107 µs with one, and with two 142 on cores
that lay far apart, 70 on neighbours. No shape says which they are. So a training now and then takes a call
with half or twice as many threads, and goes on with the faster number. No bit depends on it.
"""

from dataclasses import dataclass

LEAST = 2**22  # effort of a call (`layout.effort`) for which threads are woken: a tenth of a millisecond
LONG = 1e-3  # seconds of a step beyond which what threads tell each other hardly counts
CLEARLY = 0.95  # of the time before: less is a reason to change
LATEST = 64  # calls from one trial to the next, at most


@dataclass
class Pace:
    """What a training's calls took, by the number of threads."""

    most: int = 0
    best: int = 1
    given: int = 1
    seconds: float = 0.0  # of a step with the best number, the least since the last trial
    calls: int = 0  # since then
    wait: int = 2  # calls from that to the next
    fewer: bool = True  # than the best number are tried next

    def threads(self, most: int, effort: float) -> int:
        """Return how many threads take the next call, which may have at most so many."""
        if most == 1 or effort < LEAST:
            self.given = 0
            return 1
        if most != self.most:
            self.most, self.best, self.calls, self.wait, self.fewer = most, most, 0, 2, True
        self.given = self.best
        if self.calls >= self.wait and self.seconds < LONG:
            fewer, more = max(1, self.best // 2), min(most, 2 * self.best)
            self.given = fewer if (self.fewer and fewer < self.best) or more == self.best else more
        return self.given

    def saw(self, steps: int, seconds: float) -> None:
        """Learn how long the call's steps took."""
        if not (self.given and steps):
            return
        step = seconds / steps
        if self.given == self.best:
            # Threads that a first call starts, or code that it loads, say nothing.
            self.seconds = step if self.calls < 2 else min(self.seconds, step)
            self.calls += 1
            return
        faster = step < CLEARLY * self.seconds
        self.wait = 2 if faster else min(LATEST, 2 * self.wait)
        self.best = self.given if faster else self.best
        self.calls, self.fewer = 0, not self.fewer
