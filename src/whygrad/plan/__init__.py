"""All that decides a training, as frozen data: `plan.Plan`, and where a training stands, `plan.State`.

    optimizers  SGD, Adagrad, RMSprop, Adam, AdamW, Nadam: one step
    lbfgs       L-BFGS, which minimises over all examples instead
    schedules   how the learning rate changes; `OnPlateau` lowers it when validation stalls
    dropout     masks, from counters
    plan        penalties, clipping, early stopping; the batches of an epoch are drawn in `Plan.batch`

It may import `nn` and what is below.
"""
