"""whygrad.studio.story.story"""
