"""A table of houses, and quick settings for the studio."""

import numpy as np

from whygrad.pipeline.settings import Settings

QUICK = Settings(hidden=(5, 4), epochs=2, engine="reference", seed=3)


def write(folder, name, header, rows):
    path = folder / name
    lines = [header, *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def houses(folder, name="houses.csv", rows=40):
    """A table with a number to predict, and one column of classes."""
    rng = np.random.default_rng(0)
    size, age = rng.uniform(50, 200, rows).round(1), rng.integers(1, 90, rows)
    kind = ["flat" if s < 120 else "house" for s in size]
    price = (3 * size - age + 20).round(2)
    return write(folder, name, "size,age,kind,price", zip(size, age, kind, price, strict=True))
