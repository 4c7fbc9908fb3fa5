"""whygrad.why.gradient"""
