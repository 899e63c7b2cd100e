"""Follows the messages between a page and its server about runs of the script: whether the latest run is finished and drawn."""

from playwright.sync_api import Page, Request, WebSocket
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

DRAWN = """
() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(() => go(
  document.querySelector("h1") !== null
  && document.querySelector('[data-testid=stApp][data-test-script-state=notRunning]') !== null
  && document.querySelector('[data-stale=true], [data-testid=stSkeleton]') === null
))))
"""
"""JavaScript: whether everything received is drawn. It waits for two frames, in which a click just made starts its run."""

UNFINISHED = {ForwardMsg.FINISHED_EARLY_FOR_RERUN, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY}
"""Ends of a run after which the requested state isn't reached yet: the run was replaced by another, or was of a fragment."""


class Runs:
    """The runs of the whole script that a page requests. The server reports the start and the end of each.

    Runs of a fragment that a timer repeats don't count: they never end.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.asked = self.begun = False
        page.on("websocket", self._open)
        page.on("request", self._go)
        page.on("download", self._finish)

    def __str__(self) -> str:
        shown = "all that came is drawn" if self.page.evaluate(DRAWN) else "something isn't drawn yet"
        return f"{'a run was asked for' if self.asked else 'no run is awaited'}, {'begun' if self.begun else 'none under way'}; {shown}"

    def drawn(self) -> bool:
        """Whether the last requested run has finished and is drawn completely."""
        return bool(self.page.evaluate(DRAWN)) and not self.asked

    def leave(self) -> None:
        """Follow the page no longer."""
        self.page.remove_listener("websocket", self._open)
        self.page.remove_listener("request", self._go)
        self.page.remove_listener("download", self._finish)

    def _go(self, request: Request) -> None:
        if request.is_navigation_request() and request.frame.parent_frame is None:
            self._ask()

    def _open(self, socket: WebSocket) -> None:
        socket.on("framesent", self._sent)
        socket.on("framereceived", self._received)

    def _ask(self) -> None:
        self.asked, self.begun = True, False

    def _finish(self) -> None:
        self.asked = self.begun = False

    def _sent(self, frame: bytes | str) -> None:
        message = BackMsg.FromString(frame) if isinstance(frame, bytes) else BackMsg()
        if message.HasField("rerun_script") and not message.rerun_script.fragment_id:
            self._ask()

    def _received(self, frame: bytes | str) -> None:
        message = ForwardMsg.FromString(frame) if isinstance(frame, bytes) else ForwardMsg()
        if message.HasField("new_session"):
            self.begun = True
        elif message.HasField("script_finished"):
            if self.begun and message.script_finished not in UNFINISHED:
                self._finish()
            self.begun = False
