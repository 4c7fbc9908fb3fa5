"""Why did it become what it is: questions about a recorded training.

influence   what a number would be without each example: the derivative of the training, judged by removals
settings    what learning rates, penalties and class weights would do to the validation cost
harmful     which examples raise the validation cost, judged on rows that did not find them
ledger      what every training example, class and epoch added to a weight
without     leave-one-out retraining: the truth that estimates of influence are held to

All run a `trajectory` again. `adjoint` goes back through its steps, of optimizers in one form (`rules`),
and `removals` judges by trainings. With denominators held, steps are linear in the examples' gradients
(`linear`): `accounts` sums them by weight, `first_order` for any function of the weights, which is
`tracin`. Doors: `influence`, `settings`, `harmful`, `ledger`, `without`, `trajectory`, `functional`,
`waiting`.
`record` makes trajectories of runs and is not imported here.
"""
