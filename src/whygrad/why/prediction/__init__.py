"""whygrad.why.prediction"""
