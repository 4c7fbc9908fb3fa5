"""whygrad.training"""
