"""Check the built site: every link within it leads somewhere, and nothing is loaded from elsewhere.

    python docs/links.py docs/_build/html

A page may *link* to another host; scripts, styles, fonts, images and frames must be its own.
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = dict.fromkeys(("script", "img", "iframe", "source"), "src") | {
    "object": "data",
    "link": "href",
}
NAMED = {"canonical", "next", "prev", "search", "index", "author"}  # they load nothing
IN_STYLES = re.compile(r"""(?:url\(\s*['"]?|@import\s+['"])(https?:)?//""")


class Page(HTMLParser):
    """What a page links to, what it loads, and the anchors that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        address = given.get(LOADED.get(tag, ""), "")
        if address and not NAMED & set(given.get("rel", "").split()):
            self.loads.append(address)
        self.loads += re.findall(r"(\S+)(?:\s+\S+)?(?:,|$)", given.get("srcset", ""))


def problems(site: Path) -> list[str]:
    """Return a line for every link that leads nowhere, and for everything loaded from elsewhere."""
    pages = {}
    for file in sorted(set(site.rglob("*.html")) - set((site / "_static").rglob("*"))):
        pages[file.resolve()] = page = Page()
        page.feed(file.read_text(encoding="utf-8"))
    found = []
    for file, page in pages.items():
        where = file.relative_to(site.resolve())
        for address in page.loads:
            if elsewhere(address):
                found.append(f"{where}: loads {address}")
        for address in page.links + [address for address in page.loads if not elsewhere(address)]:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            if not target.exists():
                found.append(f"{where}: {address} is not there")
            elif target in pages and not has(pages[target], unquote(parts.fragment)):
                found.append(f"{where}: {address} has no such anchor")
    for file in sorted(site.rglob("*.css")):
        if IN_STYLES.search(file.read_text(encoding="utf-8")):
            found.append(f"{file.relative_to(site)}: loads from elsewhere")
    return found


def has(page: Page, anchor: str) -> bool:
    """Return whether a page has an anchor; every page has its top."""
    return not anchor or anchor in page.anchors


def elsewhere(address: str) -> bool:
    """Return whether an address is that of another host; data: is the page's own."""
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme in ("http", "https")


if __name__ == "__main__":
    lines = problems(Path(sys.argv[1]))
    print("\n".join(lines) or "every link leads somewhere, nothing is loaded from elsewhere")
    sys.exit(bool(lines))
