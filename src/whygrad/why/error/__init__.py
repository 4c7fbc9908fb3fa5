"""whygrad.why.error"""
