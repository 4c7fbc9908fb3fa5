"""Pictures of an answer as SVG, light and dark: networks, curves, bars, images.

`drawing` holds labels, lines and colours; `svg` writes any picture. Nothing here computes a number.
"""
