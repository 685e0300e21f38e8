"""A console of rich that styles text and escapes the control characters in it."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from straightline.runtime.terminal import escaped


class SafeConsole(Console):
    """A rich console whose escape sequences are its own: those in the text are shown as text."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of `renderable`, with the control characters in their text escaped."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(escaped(segment.text), segment.style)
