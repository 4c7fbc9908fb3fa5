"""Why would this weight move: gradient decomposition.

weight      the chain rule for one weight, unrolled as deep as asked
paths       the same as a sum over all paths (path decomposition), the heaviest of them listed
pushes      what every example adds, as plain numbers
"""
