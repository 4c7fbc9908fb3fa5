"""whygrad.answers.write"""
