"""whygrad.plan"""
