"""whygrad.why.gradient_check"""
