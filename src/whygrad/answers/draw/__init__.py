"""Pictures of an answer as SVG, light and dark: networks, curves, bars, images.

`svg` writes any picture: `curves`, `bars`, `images` and `network_picture` draw one kind each. `drawing`
holds labels, lines and legends, `palette` the colours, `axes` the ticks, `png` pixels. `choosing` says
which units are drawn where not all fit; `figures` draws with matplotlib. Doors: `svg`, `figures`,
`drawing`, `axes`, `palette`, `choosing`, and `network_elements`, `network_layout`,
`network_picture` for who moves a network. Nothing here computes a number. It may import the data of
`answers`, and what is below.
"""
