"""Lists of training examples: named by class or target, and drawn where they are images."""

from collections.abc import Mapping, Sequence

import numpy as np

from whygrad.answers.classes import classes, classifies
from whygrad.answers.formatting import number
from whygrad.answers.names import Names, names_of
from whygrad.answers.parts import Table
from whygrad.answers.pictures import ImagePicture
from whygrad.nn import Array, dense
from whygrad.why.choosing import classes_said
from whygrad.why.symbols import shown
from whygrad.why.training_history.trajectory import Trajectory

ROWS = "Rows are those of the table, counted from 0; examples are indices into the rows trained on."


def name_of_example(trajectory: Trajectory, names: Names, example: int) -> str:
    """Return what an example is called: its class, or its target where that is a number."""
    net, y = trajectory.plan.net, trajectory.data.Y[example : example + 1]
    if classifies(net) and net.C.targets != "real":
        return classes_said(net, names)[int(classes(y)[0])]
    scaled = [names.own(net, net.L, m, value) for m, value in enumerate(y[0].tolist())]
    return ", ".join(map(number, scaled))


def _images_of(
    trajectory: Trajectory, names: Names, examples: Array, title: str, captions: tuple[str, ...]
) -> tuple[ImagePicture, ...]:
    """Return the examples as pictures, where the inputs are images."""
    shape = names_of(trajectory.plan.net, names).image
    if shape is None or not len(examples):
        return ()
    X = dense(trajectory.data.X[examples])
    return (ImagePicture(title, X.reshape(len(examples), *shape), captions),)


def listed(
    trajectory: Trajectory,
    names: Names,
    by_example: Array,
    most: Sequence[tuple[str, Sequence[int]]],
    what: str,
    beside: tuple[str, Mapping[int, float]] | None = None,
) -> tuple[tuple[Table, ...], tuple[ImagePicture, ...], tuple[str, ...]]:
    """List examples under titles, with what each added, and show them where they are images.

    Where the training was on a table that can still be read, the rows are given as well, and a note.
    `beside` is one more column: its heading, and its number of those examples that have one.
    """
    rows, net = trajectory.rows(), trajectory.plan.net
    called = "class" if classifies(net) and net.C.targets != "real" else "target"
    tables: list[Table] = []
    pictures: list[ImagePicture] = []
    for title, chosen in most:
        lines = []
        for i in chosen:
            row = () if rows is None else (int(rows[i]),)
            more = () if beside is None else (beside[1].get(int(i)),)
            lines.append(
                (name_of_example(trajectory, names, i), int(i), *row, float(by_example[i]), *more)
            )
        heads = (called, "example", *(() if rows is None else ("row",)), what)
        heads += () if beside is None else (beside[0],)
        tables.append(Table(title, heads, tuple(lines)))
        captions = tuple(f"{line[1]}: {line[0]}\n{shown(by_example[line[1]])}" for line in lines)
        pictures += _images_of(trajectory, names, np.array(chosen, np.int64), title, captions)
    return tuple(tables), tuple(pictures), () if rows is None else (ROWS,)


def cancellation(by_example: Array) -> str:
    """Return a phrase that says how far pushes cancel: Σ |push|, and |Σ push|, which is left.

    >>> cancellation(np.array([3000.0, -577.0]))
    'pushes of 3,577 cancelled to 2,423'
    """
    total, left = float(np.abs(by_example).sum()), abs(float(by_example.sum()))
    return f"pushes of {number(total)} cancelled to {number(left)}"


def most_and_least(by_example: Array, top: int) -> tuple[list[int], list[int]]:
    """Return the examples that added most, and those that took most away, `top` of each at most."""
    order = np.argsort(-by_example, kind="stable").tolist()
    up = [i for i in order[:top] if by_example[i] > 0]
    return up, [i for i in order[::-1][:top] if by_example[i] < 0]
