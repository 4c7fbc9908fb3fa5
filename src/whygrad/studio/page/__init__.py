"""whygrad.studio.page.page"""
