"""
Family trees: six units invent nationality, generation and branch
=================================================================

The second example of Rumelhart, Hinton & Williams, *Nature* 323 (1986), and of Hinton, *Learning
distributed representations of concepts* (1986). Two families, one English and one Italian, of the
same shape; twelve relations; 104 facts such as *(Colin, aunt) → Margaret, Jennifer*. The network
sees a person as one of 24 units and a relation as one of 12, squeezes each through six units of its
own, and names the answers:

    24 + 12 → 6 + 6 → 12 → 6 → 24

Four facts are set aside as a test set. Hinton reports 7 of 8 right over two runs, and that the six
person units come to stand for nationality, generation and branch of the family, none of which the
network was ever told.
"""

import matplotlib.pyplot as plt
import numpy as np

import whygrad as wg
from whygrad.answers.names import Names

# %%
# The facts
# ---------
# They follow from who is married to whom, and who their children are.

ENGLISH = [
    "Christopher",
    "Penelope",
    "Andrew",
    "Christine",
    "Margaret",
    "Arthur",
    "Victoria",
    "James",
    "Jennifer",
    "Charles",
    "Colin",
    "Charlotte",
]
ITALIAN = [
    "Roberto",
    "Maria",
    "Pierro",
    "Francesca",
    "Gina",
    "Emilio",
    "Lucia",
    "Marco",
    "Angela",
    "Tomaso",
    "Alfonso",
    "Sophia",
]
RELATIONS = [
    "father",
    "mother",
    "husband",
    "wife",
    "son",
    "daughter",
    "uncle",
    "aunt",
    "brother",
    "sister",
    "nephew",
    "niece",
]
WOMEN = {"Penelope", "Christine", "Margaret", "Victoria", "Jennifer", "Charlotte"}
COUPLES = {  # husband, wife: children
    ("Christopher", "Penelope"): ("Arthur", "Victoria"),
    ("Andrew", "Christine"): ("James", "Jennifer"),
    ("James", "Victoria"): ("Colin", "Charlotte"),
    ("Arthur", "Margaret"): (),
    ("Charles", "Jennifer"): (),
}


def facts_of_one_family():
    """Return {(person, relation): the people who stand in it}."""
    facts = {}
    spouse = {p: q for h, w in COUPLES for p, q in ((h, w), (w, h))}
    parents = {child: couple for couple, children in COUPLES.items() for child in children}

    def say(person, if_man, if_woman, other):
        relation = if_woman if other in WOMEN else if_man
        facts.setdefault((person, relation), set()).add(other)

    for person in ENGLISH:
        if person in spouse:
            say(person, "husband", "wife", spouse[person])
        for parent in parents.get(person, ()):
            say(person, "father", "mother", parent)
            say(parent, "son", "daughter", person)
            for sibling in COUPLES[parents[parent]] if parent in parents else ():
                if sibling != parent:
                    for relative in (sibling, spouse[sibling]):
                        say(person, "uncle", "aunt", relative)
                        say(relative, "nephew", "niece", person)
        for sibling in COUPLES[parents[person]] if person in parents else ():
            if sibling != person:
                say(person, "brother", "sister", sibling)
    return facts


PEOPLE = ENGLISH + ITALIAN
family = facts_of_one_family()
X, Y, spoken = np.zeros((104, 36)), np.zeros((104, 24)), []
for i, ((person, relation), others) in enumerate(sorted(family.items())):
    for country, row in ((0, i), (12, i + 52)):
        X[row, ENGLISH.index(person) + country] = 1
        X[row, 24 + RELATIONS.index(relation)] = 1
        for other in others:
            Y[row, ENGLISH.index(other) + country] = 1
print(f"{2 * len(family)} facts; one of them: (Colin, aunt) → {sorted(family['Colin', 'aunt'])}")

# %%
# The network
# -----------
# One layer of 12 serves for the two groups of six: the weights from people to relation units, and
# from relations to person units, start at zero and are kept there by a mask.
#
# As Hinton did, the cost counts an output that should be on as right from 0.8 upwards, and one that
# should be off from 0.2 downwards. That is a cost of our own: a value, and its derivative beside
# it.


def gap(a, y):
    """Return how far each output is from where it counts as right."""
    return np.where(y > 0.5, np.minimum(a - 0.8, 0), np.maximum(a - 0.2, 0))


liberal = wg.Cost("liberal", lambda a, y: 0.5 * (gap(a, y) ** 2).sum(axis=1), gap)
small = {"init": wg.Uniform(-0.3, 0.3), "bias_init": wg.Uniform(-0.3, 0.3)}
layers = [wg.Dense(units, "sigmoid", **small) for units in (12, 12, 6, 24)]
net = wg.Network(36, layers, cost=liberal)
mask = wg.Parameters(net.sizes, np.ones_like(net.init().flat))
mask.W[1][:6, 24:] = 0
mask.W[1][6:, :24] = 0

# %%
# Is the derivative right? Central differences say so.

print(wg.why.check(net, net.init(seed=0), X, Y).answer)

# %%
# Learning is the loop of the paper, spelled out with the four equations: the error summed over all
# facts, a momentum of 0.5 for the first 20 sweeps and 0.9 after that, half the learning rate in those first
# sweeps, and weight decay after each change. 20 splits, each with four random facts as the test
# set.


def learn(learning_rate, shrink, seed, sweeps=1500):
    """Return the parameters, and how many of the test facts and of the learned facts are right."""
    test = np.random.default_rng(seed).choice(104, 4, replace=False)
    learned = np.setdiff1d(np.arange(104), test)
    theta = net.init(seed=seed)
    theta.flat[:] *= mask.flat
    change = np.zeros_like(theta.flat)
    for sweep in range(sweeps):
        epsilon, alpha = (learning_rate / 2, 0.5) if sweep < 20 else (learning_rate, 0.9)
        trace = wg.forward(net, theta, X[learned])
        trace = wg.backward(net, theta, trace, Y[learned])
        summed = len(learned) * wg.gradients(net, theta, trace).flat
        change = alpha * change - epsilon * summed * mask.flat
        theta.flat[:] = (theta.flat + change) * (1 - shrink)
    said = wg.forward(net, theta, X).a[-1] > 0.5
    right = (said == (Y > 0.5)).all(axis=1)
    return theta, int(right[test].sum()), int(right[learned].sum())


SPLITS = range(20)
settings = [(0.01, 0.002), (0.05, 0.0005), (0.1, 0.0002), (0.1, 0.001), (0.1, 0.002), (0.2, 0.001)]
results = {given: [learn(*given, seed) for seed in SPLITS] for given in settings}
print("  rate  shrink       test right of 80   learned right of 100 (median)   best two splits")
for (learning_rate, shrink), runs in results.items():
    test = [right for _, right, _ in runs]
    two = sum(sorted(test)[-2:])
    middle = np.median([right for _, _, right in runs])
    print(f"  {learning_rate:<5} {shrink:<8} {sum(test):>12} {middle:>25.0f} {two:>28} of 8")

# %%
# A fact counts as right if every one of the 24 outputs is on the right side of one half. At the
# slowest setting 1,500 sweeps are not enough to learn anything. Elsewhere the facts are learned, but
# over 20 splits fewer of the test facts come out right than the original's 7 of 8: **the historical
# figure is not reproduced on average**. But two runs are few: this is how often two of our splits,
# drawn at random, would give 7 or 8. The setting is the one that does best on the test facts, so this
# flatters it.

best = max(results, key=lambda given: sum(right for _, right, _ in results[given]))
test = np.array([right for _, right, _ in results[best]])
pairs = [test[i] + test[j] for i in SPLITS for j in SPLITS if i < j]
print(f"rate {best[0]}, shrink {best[1]}: {test.sum()} of 80 right ({test.mean() / 4:.0%})")
print(f"7 or 8 of 8 in {np.mean(np.array(pairs) >= 7):.1%} of all pairs of splits")

figure, axes = plt.subplots(figsize=(6, 2.8), layout="constrained")
axes.bar(range(5), np.bincount(test, minlength=5), color="#4c9f70")
axes.set(xlabel="test facts right, of 4", ylabel="splits", title=f"{len(test)} splits")
plt.show()

# %%
# What the person units stand for
# -------------------------------
# For every split: how much of the variance of each unit's weights from the 24 people is explained by
# nationality, by generation and by branch of the family (the share of the variance between groups),
# and which of the six units explains most of each.

generation = np.tile([0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2], 2)
branch = np.tile([0, 0, 1, 1, 0, 0, 2, 2, 1, 1, 2, 2], 2)  # left, right, and the couple of both
features = {"nationality": np.repeat([0, 1], 12), "generation": generation, "branch": branch}


def explained(weights, groups):
    """Return the share of the variance of weights that lies between groups."""
    means = np.array([weights[groups == group].mean() for group in groups])
    return means.var() / weights.var()


shares = {name: [] for name in features}
for theta, _, _ in results[best]:
    for name, groups in features.items():
        shares[name].append(max(explained(theta.W[1][j, :24], groups) for j in range(6)))
rng = np.random.default_rng(0)
for name, groups in features.items():
    shuffled = [
        max(explained(theta.W[1][j, :24], rng.permutation(groups)) for j in range(6))
        for theta, _, _ in results[best]
    ]
    print(
        f"{name:<12} the best of six units explains {np.median(shares[name]):.0%} (median of splits); "
        f"with the people shuffled {np.median(shuffled):.0%}"
    )

# %%
# The six units of the split that does best on its test facts, as the paper draws them: English
# above, Italian below, positive weights orange, negative ones purple.

theta, _, _ = max(results[best], key=lambda run: run[1])
figure, panels = plt.subplots(3, 2, figsize=(9, 6), layout="constrained", sharex=True)
largest = np.abs(theta.W[1][:6, :24]).max()
for j, panel in enumerate(panels.flat):
    W = theta.W[1][j, :24].reshape(2, 12)
    panel.imshow(W, cmap="PuOr_r", vmin=-largest, vmax=largest)
    says = max(features, key=lambda name: explained(theta.W[1][j, :24], features[name]))
    share = explained(theta.W[1][j, :24], features[says])
    panel.set_title(f"unit {j}: {says} {share:.0%}", fontsize=10)
    panel.set_xticks(range(12), ENGLISH, rotation=90)
    panel.set_yticks(range(2), ["English", "Italian"])
plt.show()

# %%
# Why?
# ----
# What does the network base an answer on that it was never taught? Take the first of this split's test
# facts that comes out right, and the person that it names:

split = int(np.argmax(test))
unseen = np.random.default_rng(split).choice(104, 4, replace=False)
right = [
    row
    for row in unseen
    if ((wg.forward(net, theta, X[[row]]).a[-1] > 0.5) == (Y[row] > 0.5)).all()
]
row = right[0]
person, relation = np.flatnonzero(X[row])
other = PEOPLE[np.flatnonzero(Y[row])[0]]
print(f"({PEOPLE[person]}, {RELATIONS[relation - 24]}) → {other}: never taught, and right")
names = Names(inputs=(*PEOPLE, *RELATIONS), outputs=tuple(PEOPLE))
wg.why.prediction(net, theta, X[[row]], output=other, training=np.delete(X, unseen, 0), names=names)
