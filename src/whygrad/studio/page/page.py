"""The page: the stage, and panels that slide beside it, with what can be chosen and asked.

One `Page` belongs to one tab of a browser. It holds what is looked at (`Look`); what is worked on belongs
to the `Session`, which all tabs share. Whatever takes long runs in a thread.
"""

import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from traceback import format_exception
from typing import Any, TypeVar

from nicegui import background_tasks, run, ui

from whygrad.answers.explanation import Explanation
from whygrad.errors import WhygradError
from whygrad.escaping import visible
from whygrad.studio.page.first_page import TABS
from whygrad.studio.session.session import Session
from whygrad.studio.session.subject import Chosen, Subject

LOG = logging.getLogger("whygrad.studio")
MISSES = 20  # looks in vain at a run, after which that is told
SLOWEST = 5.0  # seconds that a browser may take to draw
DRAWN = """new Promise((done) => document.hidden ? done(true)
  : requestAnimationFrame(() => setTimeout(() => done(true), 0)))"""

T = TypeVar("T")


def headed(text: str = "") -> ui.label:
    """Lay out a line as the heading of a part of a panel, whose own title is of level 2."""
    return ui.label(text).classes("wg-heading").props('role="heading" aria-level="3"')


@dataclass(frozen=True)
class Look:
    """What one tab looks at.

    `panel` is whether a panel is open beside the stage, and `tab` which. `step` is None to follow the
    training, `part` the unit, weight or bias asked about, and `question` what is asked. Units are `counted`
    from 0 or from 1.
    """

    step: int | None = None
    part: str = ""
    question: str = ""
    chosen: Chosen = Chosen()
    tab: str = "network"
    panel: bool = False
    counted: int = 0


class Page:
    """One tab: what it looks at, and its elements, which `layout` makes."""

    title: ui.label
    message: ui.label
    working: ui.linear_progress
    tabs: ui.tab_panels
    heading: ui.label
    main: ui.element
    dark_mode: ui.dark_mode

    def __init__(self, session: Session) -> None:
        self.session = session
        self.look = Look()
        self.subject: Subject | None = None
        self.answer: Explanation | None = None
        self.panels: list[Callable[[], None]] = []
        self.client = ui.context.client
        self.doing = 0
        self._misses = 0  # looks in a row at a run that cannot be read
        self._wanted = False
        self._working = False
        self._version = session.version
        self._seen: Any = None
        self._preferred = self._narrow = False
        self._about = ""  # what the message speaks of
        self.shown_example = Chosen()  # on the stage

    @property
    def now(self) -> Subject:
        """The network that is looked at."""
        assert self.subject is not None
        return self.subject

    @property
    def dark(self) -> bool:
        """Whether the page is dark: as it was switched, or else as the browser prefers it."""
        return self._preferred if self.dark_mode.value is None else bool(self.dark_mode.value)

    # ── what happens ──

    def show(self, **changes: Any) -> None:
        """Look at something else."""
        self.look = replace(self.look, **changes)
        if "tab" in changes:
            self.look = replace(self.look, panel=True)
            self.tabs.set_value(self.look.tab)
            self.heading.set_text(TABS[self.look.tab])
        look = self.look
        self.main.classes(**{"add" if look.panel else "remove": "wg-open"})
        asked = look.question if look.tab == "why" else ""
        self.stage_told("opened", look.tab if look.panel else "", asked)
        self.refresh()

    def go_to(self, step: int) -> None:
        """Go to a step, on the stage as well."""
        self.stage_told("goTo", step)
        self.show(step=step)

    def stage_told(self, what: str, *about: Any) -> None:
        """Call a function of the stage in the browser, where there is one."""
        if self.there:
            words = ", ".join(json.dumps(one) for one in about)
            with self.client:
                ui.run_javascript(f"window.wgStudio?.{what}({words})")

    def sees(self, tab: str) -> bool:
        """Whether a panel is in sight: of one that is closed nothing is computed."""
        return self.look.tab == tab and self.look.panel

    def switch(self) -> None:
        """Make a light page dark, and a dark one light."""
        self.dark_mode.set_value(not self.dark)
        self.refresh()

    @property
    def narrow(self) -> bool:
        """Whether the browser's window is as wide as a phone."""
        return self._narrow

    def windowed(self, dark: bool, narrow: bool) -> None:
        """Take note that the browser prefers dark pages, and how wide its window is."""
        if (dark, narrow) != (self._preferred, self._narrow):
            self._preferred, self._narrow = dark, narrow
            self.refresh()

    def refresh(self) -> None:
        """Fill the panel that is open; changes that come meanwhile are drawn after it."""
        if not self.look.panel:
            return
        self._wanted = True
        if not self._working:
            self._working = True
            background_tasks.create(self._work(), name="whygrad page")

    async def _work(self) -> None:
        try:
            while self._wanted:
                self._wanted = False
                await self._draw()
                await self.settled()
        finally:
            self._working = False

    @property
    def there(self) -> bool:
        """Whether somebody looks: not where the tab was closed, or is out of reach."""
        return self.client.has_socket_connection and not self.client.is_deleted

    async def settled(self) -> None:
        """Wait until the browser has drawn what it was sent: a slow one is sent less, never too much."""
        if self.there:
            with suppress(TimeoutError):
                await self.client.run_javascript(DRAWN, timeout=SLOWEST)

    async def _draw(self) -> None:
        found = await self.in_thread(lambda: self.session.subject(self.look.step), "page")
        if found is None or self.client.is_deleted:
            return
        self.subject = found.counted_from(self.look.counted)
        with self.client:
            for panel in self.panels:
                try:
                    panel()
                except Exception as error:  # one that fails takes no other with it
                    self._failed(error, "page")

    async def in_thread(self, work: Callable[[], T], about: str = "session") -> T | None:
        """Do something that takes long; a mistake of the user's is told on the page.

        What was told goes away once the same, `about`, goes well.
        """
        try:
            found = await run.io_bound(work)
        except WhygradError as error:
            self.tell(str(error), about)
            return None
        except Exception as error:
            self._failed(error, about)
            return None
        if self._about == about:
            self.tell("")
        return found

    def _failed(self, error: Exception, about: str) -> None:
        """Report an error of our own, with its whole story in the terminal."""
        LOG.error("an error of the studio\n%s", visible("".join(format_exception(error))))
        self.tell(f"an error of whygrad: {type(error).__name__}: {error!s:.200}", about)

    def do(self, work: Callable[[], object], about: str = "session") -> None:
        """Do something to what all tabs share, in a thread, and draw what it comes to."""

        async def doing() -> None:
            await self.working_on(work, about)
            self.refresh()

        background_tasks.create(doing(), name="whygrad session")

    async def working_on(self, work: Callable[[], T], about: str = "session") -> T | None:
        """Do something in a thread, and show meanwhile that it is being done."""
        self._busy(1)
        try:
            return await self.in_thread(work, about)
        finally:
            self._busy(-1)

    def _busy(self, more: int) -> None:
        """Show that something is being done, from when on and until when."""
        self.doing += more
        with self.client:
            self.working.set_visibility(self.doing > 0)

    def tell(self, message: str, about: str = "session") -> None:
        """Show what went wrong; "" for nothing any more."""
        self._about = about if message else ""
        with self.client:
            self.message.set_text(message)
            self.message.set_visibility(bool(message))

    def light(self, part: str) -> None:
        """Light up a part of the picture that is pointed at in an answer; "" for none."""
        self.stage_told("light", part)

    async def tick(self) -> None:
        """Check how the training is doing."""
        if not self.there:
            return
        session = self.session
        if session.worker is not None:
            await self._follow()
        seen = (session.now, session.status, session.opened_run and session.opened_run.run)
        if seen != self._seen or session.running:
            self.stage_told("news" if session.version == self._version else "again")
        if session.version != self._version:
            self._version = session.version
            self.look = replace(self.look, step=None, part="", question="")
            self.answer = None
            self.refresh()
        elif seen != self._seen and (self.look.step is None or not session.running):
            self.refresh()
        self._seen = seen
        self.title.set_text(self._name())

    async def _follow(self) -> None:
        """Look for the run that is being written, which may not be readable at its very beginning."""
        try:
            await run.io_bound(self.session.follow)
            self._misses = 0
        except (WhygradError, OSError) as error:
            self._misses += 1
            if self._misses == MISSES:
                self.tell(str(error), "run")

    def _name(self) -> str:
        if self.session.opened_run is not None:
            return self.session.opened_run.path.name
        config = self.session.config
        return "a network alone" if config is None else f"{config.title}, not trained yet"

    def later(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do something asynchronous, in its own time."""
        background_tasks.create(work(), name="whygrad answer")
