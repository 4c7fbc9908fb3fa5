"""The studio: a page on this machine, where a network is built, watched while it learns, and asked why.

The stage, `browser/`, computes and draws what it is sent; NiceGUI makes the panels beside it. It comes with
the extra `whygrad[studio]`, and nothing of it is imported before it is opened.
"""

from contextlib import ExitStack
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whygrad.errors import FileError, InputError

if TYPE_CHECKING:
    from whygrad.fitted import Fitted
    from whygrad.interop import Model
    from whygrad.record import Run

__all__ = ["studio"]


def studio(
    run: "Run | Fitted | Model | str | PathLike[str] | None" = None,
    *,
    folder: str | PathLike[str] = ".",
    host: str = "127.0.0.1",
    port: int = 8750,
    show: bool = True,
) -> None:
    """Open the studio in a browser, and serve it until Ctrl-C.

    Parameters
    ----------
    run : Run, Fitted, Model, estimator, str or path, optional
        What to look at: a recorded run or the folder of one, or a trained network, also one from elsewhere,
        as `whygrad.explain` takes it. By default the studio begins with a data set, to build a network for.
    folder : str or path, default "."
        Where data and runs are read and written; nothing outside of it is, but this run.
    host : str, default "127.0.0.1"
        The address to listen at; the default can be reached from this machine only.
    port : int, default 8750
        The port; the next free one where it is in use, any free one for 0.
    show : bool, default True
        Whether to open a browser.

    Raises
    ------
    InputError
        Where NiceGUI is not installed, and for a host or a port that cannot be had.
    FileError
        For a run or a folder that cannot be opened.

    Examples
    --------
    >>> studio("houses.run")  # doctest: +SKIP
    """
    if find_spec("nicegui") is None:
        raise InputError('the studio needs NiceGUI: pip install "whygrad[studio]"')
    if not Path(folder).is_dir():
        raise FileError(f"{folder}: there is no such folder")
    if isinstance(run, str | PathLike) and not Path(run).is_file():
        from whygrad.record import open_run

        shown: Any = open_run(run)
    elif run is None or hasattr(run, "first_plan"):  # a run may still be under way
        shown = run
    else:
        from whygrad.interop import explain

        shown = explain(run)
    from whygrad.studio.server.door import opened

    with opened(host, port, show=show) as door, ExitStack() as stack:
        # All that takes long to import comes after the address, and in the order in which it is needed.
        from whygrad.studio.page.first_page import first_page
        from whygrad.studio.server.serving import serve

        session: Any = None

        def open_session() -> Any:
            nonlocal session
            from whygrad.studio.session.feed import Feed
            from whygrad.studio.session.session import Session

            session = Session(Path(folder).resolve(), shown)
            stack.callback(session.close)
            return Feed(session).answer

        def load_page() -> Any:
            from whygrad.studio.page.layout import build
            from whygrad.studio.server.application import application

            return application(session, build)

        serve(door, first_page(), open_session, load_page)
