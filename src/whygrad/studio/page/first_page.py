"""The page that there is before NiceGUI is loaded: the stage alone, as in a film, and the ways to panels.

Its script is a classic one: a page that has loaded modules takes no import map any more, in browsers of
some years ago, and the whole page, which `whole.js` lays around this stage, comes with one.
"""

from functools import cache
from pathlib import Path

from whygrad.studio.film.bundle import bundle, styles

STYLE = Path(__file__).with_name("page.css")
TABS = {"data": "Data", "runs": "Runs", "network": "Network", "curves": "Curves", "why": "Why"}


@cache
def first_page() -> bytes:
    """Return the page."""
    ways = "".join(
        f'<button type="button" data-panel="{tab}">{name}</button>' for tab, name in TABS.items()
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>whygrad studio</title>
<link rel="icon" href="data:,">
<style>
{styles()}{STYLE.read_text(encoding="utf-8")}</style>
</head>
<body>
<div id="wg-first" class="wg-header"><h1 class="wg-brand">whygrad studio</h1>
<span class="wg-run" role="status">loading the network …</span>
<nav class="wg-ways" aria-label="Panels">{ways}</nav></div>
<script>
{bundle("whole")}
$whole.openFirst();
</script>
</body>
</html>
""".encode()
