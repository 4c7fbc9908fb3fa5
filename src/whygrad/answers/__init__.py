"""An answer as data (`parts`), and what it can be made of: written, drawn, clicked.

    parts, expression, pictures, names   the data: terms, equations, pictures, what units are called
    write/      text, LaTeX, MathML, HTML, plain data for JSON
    draw/       pictures as SVG
    widget/     the network that can be clicked, here and in notebooks
    explanation `Explanation`: the data, with the doors to the others

Nothing here computes a number of an answer. It may import `nn` and what is below.
"""
