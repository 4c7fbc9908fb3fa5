"""whygrad.studio.process"""
