"""A thread that sends, so that a training never waits for a network."""

import threading
from collections.abc import Callable
from queue import SimpleQueue

Job = Callable[[], None]


class Sender:
    """Does jobs in their order, in a thread of its own; after one that failed, no more.

    Attributes
    ----------
    failure : Exception or None
        What the job raised that failed.
    """

    def __init__(self, name: str) -> None:
        self.failure: Exception | None = None
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        # A daemon: a server that does not answer must not keep a program from ending.
        self._thread = threading.Thread(target=self._work, name=f"whygrad {name}", daemon=True)
        self._thread.start()

    def do(self, job: Job) -> None:
        """Add a job."""
        self._jobs.put(job)

    def finish(self, seconds: float) -> bool:
        """Wait for the jobs, so long at most; return whether all are done."""
        self._jobs.put(None)
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if self.failure is None:
                try:
                    job()
                except Exception as error:  # which the thread that trains asks for
                    self.failure = error
