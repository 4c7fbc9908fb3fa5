"""Answers in words and formulas: text for a terminal, LaTeX, MathML, one HTML page, data for JSON.

`notation` walks over an equation's tree once; text, latex and mathml say how its pieces are written, and
`still` has them as images, for notebooks. Doors: `text`, `html`, `latex`, `mathml`, `notation`, `still`,
`data`.
Writers know the parts of an answer and none of what asked for it; they may import those, and `draw`.
"""
