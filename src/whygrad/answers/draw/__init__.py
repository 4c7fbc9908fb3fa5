"""whygrad.answers.draw"""
