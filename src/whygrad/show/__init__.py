"""Answers for people: an `Explanation` as text, LaTeX, MathML, SVG, HTML, and as plain data for programs.

    notation      one walk over an equation's tree; text, latex, mathml say how its pieces are written
    drawing       labels, lines and colours; network, curves, bars and images are drawn with them
    data          plain lists and numbers, for JSON

Nothing here computes a number of an answer: what is shown was in the `Explanation`.
"""
