"""whygrad.record.files"""
