"""Why did it become what it is: questions about a recorded training.

ledger      what every training example, class and epoch added to a weight
pushed      training-data attribution: whose steps moved a prediction, to first order (TracIn)
without     leave-one-out retraining: the truth that estimates of influence are held to

All run a `trajectory` again, whose steps are linear in the examples' gradients (`linear`): `accounts` sums
them by weight, `first_order` for any function of the weights (`functional`). Doors: `ledger`, `pushed`,
`without`, `trajectory`, `functional`. `record` makes trajectories of runs and is not imported here.
"""
