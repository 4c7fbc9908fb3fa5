"""Proof: a cure is trained beside the training as it stands, and held against it on rows set aside.

Both are trained from the same seeds, and compared row by row. A cure is proven where

    its score is higher by `WORTH` and more on average, and higher with every seed,
    by `SURE` standard errors over the seeds, and
    the losses of paired rows differ from 0 at the level `LEVEL`, divided by the number of cures that were
    tried (Bonferroni).

What is as sure and brings less than `WORTH` is an improvement, and no diagnosis.
"""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from whygrad.diagnosis.cures import FIRST_TRAINS, cures, steps, with_cures
from whygrad.diagnosis.setting import Setting, fit_all
from whygrad.diagnosis.symptoms import Symptom
from whygrad.diagnosis.waiting import Stage, Tell, ignore
from whygrad.errors import WhygradError
from whygrad.fitted import Fitted
from whygrad.nn import Array
from whygrad.plan import Adam
from whygrad.training import interruption

SEEDS = (0, 1, 2)
WORTH = 0.05  # of accuracy or R²
LEVEL = 0.05  # the probability of a false alarm over all cures of a diagnosis
MOST = 0.9  # of the best gain: what brings as much counts as bringing the same
ALIKE = 0.03  # gains that differ by less count as the same
EFFORT = {
    "epochs_few": 2,
    "units_few": 2,
    "batch": 2,
    "optimizer": 1,
    "exploding_gradients": 1,
    "labels_corrupted": 2,
}  # costs time, or is another way
TOGETHER = 2  # cures that are trained side by side
DEAR = 0.25  # of a symptom's strength, for each factor of ten in the time that its cure takes
STRONG = 0.25  # symptoms whose cures are tried all together, where none helps alone
APART = {  # cures that are no part of all of them together
    "learning_rate_high",
    "optimizer",
    "clipping",
    "exploding_gradients",
    "class_imbalance",
    *FIRST_TRAINS,
}
ONCE = 10.0  # seconds that a first training may take to load code
MOST_CURES, MOST_ADDED = 4, 6
SURE = 2.0  # standard errors over seeds
FEW = 12  # rows: with no more, they are no sample, and only seeds are compared


@dataclass(frozen=True, eq=False)
class Trained:
    """A setting trained from several seeds: scores (S,) and losses of the measured rows (S, n)."""

    setting: Setting
    scores: Array
    losses: Array
    fits: tuple[Fitted, ...]

    @property
    def score(self) -> float:
        """The mean score."""
        return float(self.scores.mean())


@dataclass(frozen=True, eq=False)
class Trial:
    """A cure beside the training as it stands: its gain and how sure that is.

    `error` is the gain's standard error over rows and seeds, `z` the difference of the rows' losses in its
    standard errors, and `seeds_agree` whether every seed gains, and all together by more than chance.
    """

    kinds: tuple[str, ...]
    cured: Trained
    gain: float
    error: float
    z: float
    seeds_agree: bool


def compiled(setting: Setting) -> None:
    """Compile what a training needs, and its cures, without a step: that takes none of their time."""
    ready = [
        {**setting.options, "epochs": 0},
        {**setting.options, "epochs": 0, "optimizer": Adam()},
    ]
    with suppress(WhygradError):  # which the training itself will raise
        fit_all([replace(setting, options=options) for options in ready], SEEDS[:1])


def train_all(
    settings: Sequence[Setting], seeds: Sequence[int] = SEEDS, progress: bool = False
) -> list[Trained]:
    """Train settings from several seeds each, side by side, and measure them."""
    every = fit_all(settings, seeds, progress)
    return [measured(setting, fits) for setting, fits in zip(settings, every, strict=True)]


def measured(setting: Setting, fits: Sequence[Fitted]) -> Trained:
    """Return a setting's trainings with their scores and losses."""
    found = [setting.measure(fit.predict) for fit in fits]
    scores, rows = (np.array(each) for each in zip(*found, strict=True))
    return Trained(setting, scores, rows, tuple(fits))


def compare(kinds: Sequence[str], cured: Trained, base: Trained) -> Trial:
    """Hold a cure against the training as it stands, row by row and seed by seed."""
    gains = cured.scores - base.scores
    by_row = (_as_scored(base) - _as_scored(cured)).mean(axis=0)
    of_rows = _standard_error(by_row) if len(by_row) > FEW else 0.0
    z = math.copysign(math.inf, by_row.mean()) if of_rows == 0 else float(by_row.mean() / of_rows)
    of_seeds = _standard_error(gains)
    return Trial(
        tuple(kinds),
        cured,
        float(gains.mean()),
        math.hypot(of_rows, of_seeds),
        z,
        bool((gains > 0).all() and gains.mean() > SURE * of_seeds),
    )


def _held_against(kinds: Sequence[str], cured: Trained, base: Trained) -> Trial:
    """Compare in the cure's own measure: where all classes count alike, accuracy must not pay for it."""
    if not cured.setting.balanced:
        return compare(kinds, cured, base)
    plain = compare(kinds, measured(replace(cured.setting, balanced=False), cured.fits), base)
    trial = compare(kinds, cured, measured(replace(base.setting, balanced=True), base.fits))
    return trial if plain.gain > -ALIKE else replace(trial, seeds_agree=False)


def _as_scored(trained: Trained) -> Array:
    """Return the losses of rows, (S, n), with 1 for all where a seed's score counts as nothing.

    So a training that is far worse than the mean is not told to be better by what is less far.
    """
    nothing = (trained.scores <= 0)[:, None]
    return np.where(nothing, 1.0, trained.losses)


def _standard_error(values: Array) -> float:
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else 0.0


def proven(trial: Trial, tried: int, worth: float = WORTH) -> bool:
    """Return whether a cure helps by more than chance, among so many that were tried."""
    least = NormalDist().inv_cdf(1 - LEVEL / max(1, tried))
    return trial.gain >= worth and trial.seeds_agree and trial.z >= least


def search(
    base: Trained,
    found: Sequence[Symptom],
    seconds: float,
    spent: float = 0.0,
    tell: Tell = ignore,
) -> tuple[list[Trial], list[Trial], set[str]]:
    """Try the cures of symptoms, alone and together, until the time is over, or until Ctrl-C.

    What a training takes is known from the first, where its `spent` seconds are more than loading takes.

    Returns
    -------
    list of Trial
        The smallest combination that brings most of the gain, and then the best trial of each other kind.
    list of Trial
        All trials.
    set of str
        The kinds that there was time for: a cure of theirs was trained, or was found to be none.
    """
    with interruption() as pressed:
        clock = _Clock(base, time.monotonic() + seconds, spent, pressed, tell)
        return *_search(base, found, clock), clock.reached


def _search(
    base: Trained, found: Sequence[Symptom], clock: "_Clock"
) -> tuple[list[Trial], list[Trial]]:
    options = [
        (symptom, setting)
        for symptom in found
        if symptom.kind not in FIRST_TRAINS
        for setting in cures(symptom.kind, base.setting)
    ]
    options.sort(key=lambda option: -option[0].strength + DEAR * math.log10(clock.cost(option[1])))
    alone = []
    for i in range(0, len(options), TOGETHER):
        affordable = [option for option in options[i : i + TOGETHER] if clock.allows(option[1])]
        trained = clock.train([setting for _, setting in affordable])
        for (symptom, _), one in zip(affordable, trained, strict=True):
            if one is not None:
                alone.append(_held_against((symptom.kind,), one, base))
    for kind in FIRST_TRAINS.keys() & {symptom.kind for symptom in found}:
        if clock.allows(base.setting, 1 + FIRST_TRAINS[kind] / len(SEEDS)):
            trained = clock.train(clock.cures_of(kind))
            alone += [_held_against((kind,), one, base) for one in trained if one is not None]
    best = _best_of_each(alone, found)
    if not best:
        return [], []
    tried = list(alone)
    whole = best[0]
    if not proven(whole, len(tried)):
        whole = _pruned(base, best, found, clock, tried) or whole
    whole = _added(base, whole, best, clock, tried)
    return [whole, *[trial for trial in best if trial.kinds[0] not in whole.kinds]], tried


class _Clock:
    """Trains what the time that is left allows, by what trainings have taken so far."""

    def __init__(
        self,
        base: Trained,
        ends: float,
        spent: float,
        pressed: Callable[[], bool],
        tell: Tell,
    ) -> None:
        self.base, self.ends, self.pressed, self.tell = base, ends, pressed, tell
        told = spent > ONCE
        self.spent, self.done = spent * told, float(told)
        self.compared, self.best = 0, 0.0
        self.reached: set[str] = set()

    def cost(self, setting: Setting) -> float:
        """Return how many times the steps of the training as it stands a setting takes, 1 at least."""
        return max(1.0, steps(setting) / max(1, steps(self.base.setting)))

    def allows(self, setting: Setting, times: float = 1.0) -> bool:
        """Return whether there is time to train a setting, so many times."""
        left = -math.inf if self.pressed() else self.ends - time.monotonic()
        expected = times * self.cost(setting) * self.spent / self.done if self.done else 0.0
        return left > 0 and expected < 1.5 * left

    def train(self, settings: Sequence[Setting]) -> list[Trained | None]:
        """Train settings side by side, and take the time; none is trained where that is broken off."""
        if not settings:
            return []
        self._say("; ".join(", ".join(said for _, said in one.cures) for one in settings))
        began = time.monotonic()
        try:
            trained = trained_or_none(settings)
        except KeyboardInterrupt:
            self.ends = -math.inf  # as if time were over: the answer is what was compared by now
            return [None] * len(settings)
        self.reached |= {kind for one in settings for kind, _ in one.cures}
        self.spent += time.monotonic() - began
        self.done += sum(self.cost(setting) for setting in settings)
        scores = [one.score for one in trained if one is not None]
        self.compared += len(scores)
        self.best = max([self.best, *(score - self.base.score for score in scores)])
        return trained

    def cures_of(self, kind: str) -> list[Setting]:
        """Return the cures of a kind that has to train first; none where that fails or is broken off."""
        self._say(f"{FIRST_TRAINS[kind]} trainings, each without a part of the rows")
        try:
            found = cures(kind, self.base.setting)
        except KeyboardInterrupt:
            self.ends = -math.inf
            return []
        except WhygradError:
            found = []
        if not found:
            self.reached.add(kind)
        return found

    def _say(self, doing: str) -> None:
        self.tell(Stage(doing, self.compared, self.best))


def trained_or_none(settings: Sequence[Setting]) -> list[Trained | None]:
    """Train settings; one that cannot be trained, such as a rate that is refused, is None."""
    try:
        return list(train_all(settings))
    except WhygradError:
        return (
            [one for setting in settings for one in trained_or_none([setting])]
            if len(settings) > 1
            else [None]
        )


def _best_of_each(alone: Sequence[Trial], found: Sequence[Symptom]) -> list[Trial]:
    """Return the best trial of each kind: those that help by gain, the others by their symptoms."""
    best: dict[str, Trial] = {}
    for trial in alone:  # the first of a kind stays, unless a later one is clearly better
        kind = trial.kinds[0]
        if kind not in best or trial.gain > best[kind].gain + ALIKE:
            best[kind] = trial
    strength = {symptom.kind: symptom.strength for symptom in found}

    def gained(trial: Trial) -> float:
        # What another measure pays for in accuracy is not held against gains of accuracy.
        return trial.gain if trial.seeds_agree or not trial.cured.setting.balanced else 0.0

    top = max(map(gained, best.values()), default=0.0)

    def rank(trial: Trial) -> tuple[float, ...]:
        # Of those that bring nearly the same, what costs nothing comes before what takes longer.
        gain = gained(trial)
        near = gain > max(MOST * top, WORTH)
        dear = EFFORT.get(trial.kinds[0], 0)
        helps = gain if gain >= WORTH else 0.0
        return (-near, dear if near else 0, -helps, -strength[trial.kinds[0]])

    return sorted(best.values(), key=rank)


def _joined(base: Trained, kinds: Sequence[str], singles: dict[str, Trial]) -> Setting:
    """Return the training as it stands with the cures of several kinds."""
    return with_cures(base.setting, [singles[kind].cured.setting.cures[-1] for kind in kinds])


def _pruned(
    base: Trained, best: list[Trial], found: Sequence[Symptom], clock: _Clock, tried: list[Trial]
) -> Trial | None:
    """Try all cures together, and leave out one after the other while nothing is lost."""
    singles = {trial.kinds[0]: trial for trial in best}
    strong = [
        symptom.kind for symptom in found if symptom.kind in singles and symptom.strength >= STRONG
    ]
    kinds = [kind for kind in strong if kind not in APART]
    if len(kinds) < 2 or not clock.allows(_joined(base, kinds, singles)):
        return None
    (all_of_them,) = clock.train([_joined(base, kinds, singles)])
    if all_of_them is None:
        return None
    whole = _held_against(kinds, all_of_them, base)
    tried.append(whole)
    if whole.gain < WORTH:
        return None
    for kind in sorted(kinds, key=lambda kind: singles[kind].gain):
        fewer = [other for other in whole.kinds if other != kind]
        if not fewer or not clock.allows(_joined(base, fewer, singles)):
            break
        (one,) = clock.train([_joined(base, fewer, singles)])
        if one is not None:
            trial = _held_against(fewer, one, base)
            tried.append(trial)
            if trial.gain > whole.gain - WORTH / 2:
                whole = trial
    return whole


def _added(
    base: Trained, whole: Trial, best: list[Trial], clock: _Clock, tried: list[Trial]
) -> Trial:
    """Add cures while one more brings enough to be worth it."""
    singles = {trial.kinds[0]: trial for trial in best if trial.kinds[0] not in FIRST_TRAINS}
    if FIRST_TRAINS.keys() & set(whole.kinds):
        return whole
    while whole.cured.score < 1 - WORTH and len(whole.kinds) < MOST_CURES:
        more = [kind for kind in singles if kind not in whole.kinds][:MOST_ADDED]
        settings = {kind: _joined(base, (*whole.kinds, kind), singles) for kind in more}
        settings = {kind: setting for kind, setting in settings.items() if clock.allows(setting)}
        trials = [
            _held_against((*whole.kinds, kind), one, base)
            for kind, one in zip(settings, clock.train(list(settings.values())), strict=True)
            if one is not None
        ]
        tried += trials
        top = max(trials, key=lambda trial: trial.gain, default=whole)
        if top.gain < whole.gain + WORTH:
            break
        whole = top
    return whole


def order(trial: Trial, tried: Sequence[Trial], found: Sequence[Symptom]) -> list[str]:
    """Return the kinds of a combination, by what each brings alone, and by their symptoms."""
    alone = {kind: 0.0 for kind in trial.kinds}
    for one in tried:
        if len(one.kinds) == 1 and one.gain >= WORTH and one.kinds[0] in alone:
            alone[one.kinds[0]] = max(alone[one.kinds[0]], one.gain)
    strength = {symptom.kind: symptom.strength for symptom in found}
    return sorted(trial.kinds, key=lambda kind: (-alone[kind], -strength.get(kind, 0.0)))


def described(trial: Trial) -> str:
    """Return a trial's cures in words."""
    return ", ".join(said for _, said in trial.cured.setting.cures)
