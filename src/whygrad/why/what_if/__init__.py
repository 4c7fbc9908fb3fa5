"""whygrad.why.what_if"""
