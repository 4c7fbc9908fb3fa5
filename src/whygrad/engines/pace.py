"""How many threads share a step: as many as take the least time, on this machine and beside what it runs.

Two cores that lie far apart, or one that other programs use as well, can take longer together than one
alone, by what they tell each other: a step of 100-256-128-10 took 107 µs with one, and with two 142 on
cores that lay far apart, 69 on neighbours. No shape says which they are. So a training now and then takes
a few steps with half or twice as many threads, and goes on with the faster number. No bit depends on it.
Where other programs have a core, threads wait milliseconds at each barrier for one that is not running, in
steps of any length.
"""

from dataclasses import dataclass, field

LEAST = 2**25  # effort (`layout.effort`) for which threads are woken: three times what waking takes
TRIAL = 2**27  # effort of the steps that are taken with another number: long beside waking a thread
LONG = 1e-3  # seconds of a step beyond which what threads tell each other hardly counts
OWN = 0.9  # of the time, for each thread, that it worked: with less, other programs had its core
CLEARLY = 0.95  # of the time before: less is a reason to change
EVERY = 0.1  # seconds between two trials; between two of whole calls twice that
SHARE = 0.02  # of the time since the last trial that one may take, as far as that is known


@dataclass
class Pace:
    """What a training's steps took, by the number of threads."""

    shape: tuple[int, float] = (0, 0.0)  # the most threads, and the effort of a step
    best: int = 1
    given: int = 1  # 0 where what the steps take says nothing of it
    seconds: float = 0.0  # of a step with the best number, as seen last
    since: float = 0.0  # seconds of steps from the last trial on
    ended: float = 0.0  # when the last steps did, by the clock
    warm: bool = False  # whether all threads have begun, and memory has been touched
    fewer: bool = True  # than the best number are tried next
    alone: bool = True  # whether threads had their cores to themselves
    tried: dict[int, float] = field(default_factory=dict)  # seconds of a step with another number

    def next(
        self, most: int, steps: int, effort: float, divided: bool, now: float, first: int = 0
    ) -> tuple[int, int]:
        """Return how many of the next steps to take, and with how many threads.

        Parameters
        ----------
        most : int
            Of threads.
        steps : int
            That are left.
        effort : float
            Of one.
        divided : bool
            Whether fewer steps than are left may be taken.
        now : float
            By a clock, in seconds: after a pause the number is tried anew.
        first : int
            The number to begin with, or 0 for the most.
        """
        self.given = 0
        if most == 1 or effort * steps < LEAST:
            return steps, 1
        if (most, effort) != self.shape:
            self.shape, self.best, self.fewer = (most, effort), first or most, True
            self.seconds, self.since, self.warm = 0.0, EVERY, False
            self.alone, self.tried = True, {}
        self.given = self.best
        few, wait = int(TRIAL // effort) + 1, EVERY
        if not divided or steps < 4 * few:
            few, wait = steps, 2 * EVERY
        elif now - self.ended > EVERY:
            self.seconds, self.since, self.warm = 0.0, max(self.since, EVERY), False
            self.alone = True
        fewer, more = max(1, self.best // 2), min(most, 2 * self.best)
        turn_down = self.fewer or more == self.best
        other = fewer if turn_down and fewer < self.best else more
        known = self.tried.get(other, 0.0)
        if self.alone or other > self.best:  # beside other programs fewer threads may take far less
            known = max(known, self.seconds)
        soon = self.since < wait or few * known > SHARE * self.since
        if soon or (self.best == most and self.seconds >= LONG and self.alone):
            return steps, self.best
        if self.seconds:
            self.given = other
        return few, self.given

    def saw(self, steps: int, began: float, ended: float, worked: float) -> None:
        """Learn when they were taken, by the clock, and for how long threads worked meanwhile, together."""
        self.ended = ended
        if not (self.given and steps):
            return
        step = (ended - began) / steps
        if self.given == self.best:
            self.since += ended - began
            if 0 < self.seconds < CLEARLY * step:
                self.since = max(self.since, EVERY)  # something has changed
            self.seconds = step if self.warm else 0.0
            self.alone, self.warm = worked >= OWN * self.given * (ended - began), True
            return
        self.tried[self.given] = step
        if step < CLEARLY * self.seconds:
            self.tried[self.best] = self.seconds
            self.best, self.seconds = self.given, step
        self.since, self.fewer = 0.0, not self.fewer
