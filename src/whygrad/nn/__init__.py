"""whygrad.nn"""
