"""whygrad.studio.session"""
