"""Why this prediction: feature attribution and counterfactuals.

`prediction` puts together integrated gradients (`attribution`), the paths that carry an output
(`path_flow`) and the smallest changes that turn the answer (`sensitivity`, `counterfactual`), gathered by
`columns`. Door: `prediction`. Imports from `why` its modules, the path search of `gradient` and `kinked` of
`what_if`.
"""
