"""Why this prediction: feature attribution and counterfactuals.

prediction      the question, put together from the others
attribution     integrated gradients: `kinks` where a network is piecewise linear, `quadrature` elsewhere
members         the networks whose mean is asked about: one, or an ensemble's
baselines       the rows that it is compared with
columns, seen   inputs gathered to columns, and the values that training saw in them
sensitivity, counterfactual     the smallest changes that turn the answer

Doors: `prediction`, `baselines` and `members`. Imports from `why` its modules and `kinked` of `what_if`.
"""
