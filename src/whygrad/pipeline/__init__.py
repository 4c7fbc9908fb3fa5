"""whygrad.pipeline"""
