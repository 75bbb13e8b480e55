"""What a client was told, over all the answers that its own is made of. Pure."""

from collections.abc import Iterable

from provider_svc.dialects.dialect import AnswerWriter
from provider_svc.dialects.steps import Cite, Close, End, Grow, OpenCall, OpenText, OpenThinking, Start, Step, Stop


class Told:
    """A writer, and what went through it. `open` is the part that the last step left open; `words` is all text in it."""

    def __init__(self, writer: AnswerWriter) -> None:
        self._writer = writer
        self._pieces: list[str] = []
        self._has_cited = False  # in the open part
        self._is_words_only = True
        self.open: OpenText | OpenThinking | OpenCall | None = None
        self.has_begun = False
        self.has_parts = False
        self.has_stopped = False

    @property
    def words(self) -> str:
        """All text that was told."""
        return "".join(self._pieces)

    @property
    def is_continuable(self) -> bool:
        """Whether another text could be told here: nothing but words, and thoughts that are whole, stand before it. The sources of the
        open text stand for that one alone."""
        is_in_thought = isinstance(self.open, OpenThinking)
        return (
            self.has_begun
            and not self.has_stopped
            and self._is_words_only
            and not is_in_thought
            and not self._has_cited
        )

    def tell(self, step: Step) -> Iterable[bytes]:
        """The events of one step more. Raises what the writer raises."""
        match step:
            case Grow(text):
                if isinstance(self.open, OpenText):
                    self._pieces.append(text)
            case OpenText() | OpenThinking() | OpenCall():
                self._open(step)
            case Cite():
                self._has_cited = True
            case Close():
                self.open, self._has_cited = None, False
            case Start():
                self.has_begun = True
            case Stop() | End():
                self.has_stopped = True
        return self._writer.write(step)

    def _open(self, step: OpenText | OpenThinking | OpenCall) -> None:
        self.open, self.has_parts = step, True
        is_refusal = isinstance(step, OpenText) and step.is_refusal
        self._is_words_only = self._is_words_only and not is_refusal and not isinstance(step, OpenCall)
