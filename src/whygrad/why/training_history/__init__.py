"""whygrad.why.training_history"""
