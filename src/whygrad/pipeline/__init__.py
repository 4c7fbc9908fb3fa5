"""A table → a trained, scored network.

    datasets    the data sets that come with it, and IDX files
    settings    the options of a training on a table, and their defaults
    fit         rows set aside for validation and test, columns encoded, the training
    predict     outputs row by row
    scores      how well it does, beside a trivial rule

It may import `tables`, `fitted`, `training` and what is below.
"""
