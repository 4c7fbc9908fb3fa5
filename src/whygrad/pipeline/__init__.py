"""A table → a trained, scored network. Its face is `pipeline.fit`: `find` a table, then `fit`.

    datasets    the data sets that come with it, and IDX files
    settings    the options of a training on a table, and their defaults
    fit         rows set aside for validation and test, columns encoded, the training
    scores      how well it does, beside a baseline
    thresholds  the threshold of two classes, chosen for what a user is after
    comparing   the network beside simpler models, and columns that tell the answer alone
    copies      test rows that training has seen too
    repeating   the training over folds and seeds
    deploy/     a trained network as ONNX, C or JavaScript, with the encoding of its table
    embeddings  a first layer that embeds categories of many values
    recipe      what fits a table: bins of numbers, and the networks that are averaged
    names       columns and classes → names of inputs and outputs
    members     the training of these networks, side by side

Doors: `fit`, `datasets`, `scores`, `settings`, `comparing`, `copies`, `repeating`, `recipe`, `members`,
`names`. It may import `tables`, `fitted`, `training` and what is below. Nothing is imported here:
`settings` alone, for help and completion, does not wait for the libraries that read tables.
"""
