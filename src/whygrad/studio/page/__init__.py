"""What a person sees: the page, its panels and charts.

Doors: `layout`, the page of one tab, and `first_page`, the stage alone, which needs no NiceGUI. `page`
holds what one tab looks at, and knows no panel; each panel builds its elements and updates them; `layout`
puts them together. May import all of the studio. Only these files and the server's `application` import
NiceGUI.
"""
