"""What a stage is sent, and the pages that carry it away: films and worksheets.

    recording    a training → header and states
    bundle       the browser's modules → one script, one style sheet
    film         a recording as one HTML file
    stage        the same in a notebook's output
    worksheet    one step of backpropagation by hand, to print

Doors: `bundle`, `film`, `recording`, `stage`, `worksheet`. None imports NiceGUI: a film is made by a
plain installation.
"""
