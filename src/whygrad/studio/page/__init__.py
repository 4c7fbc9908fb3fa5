"""What a person sees: the page, its panels and charts.

Door: `layout`, the page of one tab. `page` holds what one tab looks at, and knows no panel; each panel
builds its elements and updates them; `layout` puts them together. May import all of the studio. Only these
files and `server` import NiceGUI.
"""
