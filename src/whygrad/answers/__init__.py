"""An answer as data, and its forms: written, drawn, clicked.

    parts, expression, pictures, names   the data: terms, equations, pictures, what units are called
    classes     which class an output stands for, and what it is called
    formatting  how numbers and names are written, the same in every form
    write/      text, LaTeX, MathML, HTML, plain data for JSON
    draw/       pictures as SVG
    widget/     the network that can be clicked, here and in notebooks
    cards       a network, a pass, a training and a run as answers, which notebooks show
    explanation `Explanation`: the data, with the doors to the forms; the public face of this folder

Doors: `cards`, `classes`, `explanation`, `expression`, `formatting`, `names`, `parts`, `pictures`, one by
one, since whoever writes a number needs no drawing. Nothing here computes a number of an answer. It may
import `nn` and what is below.
"""
