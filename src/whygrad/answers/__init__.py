"""whygrad.answers"""
