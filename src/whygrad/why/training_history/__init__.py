"""Why is it what it is: questions about a recorded training.

ledger      what every training example, class and epoch added to a weight
pushed      training-data attribution: whose steps moved a prediction
without     leave-one-out retraining: what would be without some examples
"""
