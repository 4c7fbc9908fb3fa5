"""How training examples are spoken of and shown: by their class or target, and as images where they are."""

import numpy as np

from whygrad.functions import Array
from whygrad.names import Names, names_of
from whygrad.pictures import ImagePicture
from whygrad.why.choosing import class_names, classes, classifies
from whygrad.why.course import Course


def named(course: Course, names: Names, example: int) -> str:
    """Say what an example is: its class, or its target where that is a number."""
    net, y = course.plan.net, course.data.Y[example : example + 1]
    if classifies(net) and net.C.targets != "real":
        return class_names(net, names)[int(classes(y)[0])]
    return ", ".join(f"{number:.4g}" for number in y[0].tolist())


def images_of(
    course: Course, names: Names, examples: Array, title: str, captions: tuple[str, ...]
) -> tuple[ImagePicture, ...]:
    """Give the examples as pictures, where the inputs are images."""
    shape = names_of(course.plan.net, names).image
    if shape is None or not len(examples):
        return ()
    X = course.data.X[examples]
    X = np.asarray(X.toarray() if hasattr(X, "toarray") else X)
    return (ImagePicture(title, X.reshape(len(examples), *shape), captions),)
