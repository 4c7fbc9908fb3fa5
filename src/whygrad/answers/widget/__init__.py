"""whygrad.answers.widget"""
