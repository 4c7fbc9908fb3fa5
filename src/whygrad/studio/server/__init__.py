"""whygrad.studio.server"""
