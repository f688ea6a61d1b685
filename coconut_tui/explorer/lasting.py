"""An app that does all that was put off. Textual loses some of it; what waits for it then waits for good."""

from textual.app import App
from textual.await_complete import AwaitComplete
from textual.dom import DOMNode
from textual.timer import Timer, TimerCallback


class LastingApp(App[None]):
    """Loses no timer, and nothing that is to be done after a refresh."""

    def set_timer(
        self,
        delay: float,
        callback: TimerCallback | None = None,
        *,
        name: str | None = None,
        pause: bool = False,
    ) -> Timer:
        """A timer that comes late rather than never. Textual leaves out a time that is past as a timer starts,
        and a timer that counts once has no other; it takes only a thread that holds Python at that moment."""
        timer = super().set_timer(delay, callback, name=name, pause=pause)
        timer._skip = False  # Timer takes it as an argument, which set_timer does not pass on
        return timer

    def pop_screen(self) -> AwaitComplete:
        """Let the screen below do what this one, being on top, was to do after its next refresh, but for what
        concerns itself. Textual does it as the screen goes; where one more message comes then, not at all."""
        going = self.screen
        popped = super().pop_screen()
        for waiting in list(going._callbacks):
            callback, pump = waiting
            if not (isinstance(pump, DOMNode) and going in pump.ancestors_with_self):
                going._callbacks.remove(waiting)
                self.screen._invoke_later(callback, pump)
        return popped
