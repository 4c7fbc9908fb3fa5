"""whygrad.estimators"""
