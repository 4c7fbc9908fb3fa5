"""A table → a trained, scored network. Its face is `pipeline.fit`: `find` a table, then `fit`.

    datasets    the data sets that come with it, and IDX files
    settings    the options of a training on a table, and their defaults
    fit         rows set aside for validation and test, columns encoded, the training
    scores      how well it does, beside a baseline

Doors: `fit`, `datasets`, `scores`, `settings`. It may import `tables`, `fitted`, `training` and what is
below. Nothing is imported here: `settings` alone, for help and completion, does not wait for the libraries
that read tables.
"""
