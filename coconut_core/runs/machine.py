"""The state machine of a reasoning run: where it is, and what may come next.

Pure bookkeeping without tensors; Session drives one, generate drives one for each row of a batch. Both ask
coconut_core.runs.halting.next_step what does come next.
"""

from dataclasses import dataclass
from enum import StrEnum

from coconut_core.records.stopping import CONTEXT, END, WORDS


class Mode(StrEnum):
    """What the model is doing."""

    THINKING = "thinking"
    SPEAKING = "speaking"
    FINISHED = "finished"


class Move(StrEnum):
    """What is to be fed next."""

    THINK = "think"  # a continuous thought
    END_THINKING = "end thinking"  # the next token of what stands behind the thoughts
    SPEAK = "speak"  # a word
    NOTHING = "nothing"  # the run is over


@dataclass
class Machine:
    """Begins behind a prompt, at the first thought. A model that says <bot> again enters a new latent segment.

    Where nothing stands behind the thoughts, the first word ends thinking.
    """

    bot_id: int | None  # None: no word enters latent mode
    behind: tuple[int, ...]  # tokens fed behind the thoughts of a segment, see CoconutConfig.fed_behind
    eos_ids: frozenset[int]
    mode: Mode = Mode.THINKING
    thought_count: int = 0  # thoughts taken in the current segment
    closing: int = 0  # tokens of `behind` fed in it
    segment: int = 0  # number of the current or last latent segment, from 0
    spoken: int = 0  # words said, markers that the model says itself included
    stopped_by: str | None = None  # END, WORDS or CONTEXT; None while it goes on, and where it was only ended

    @property
    def may_think(self) -> bool:
        """Whether a thought can be fed now."""
        return self.mode is Mode.THINKING and not self.closing

    @property
    def may_speak(self) -> bool:
        """Whether a word can be said now."""
        return self.mode is Mode.SPEAKING or (self.mode is Mode.THINKING and not self.behind)

    def next_move(self, ends: bool) -> Move:
        """What comes next; ends says whether thinking does here, which is asked where a thought may come."""
        if self.may_think and not ends:
            return Move.THINK
        if self.mode is Mode.THINKING and self.behind:
            return Move.END_THINKING
        return Move.NOTHING if self.mode is Mode.FINISHED else Move.SPEAK

    def limit(self, max_new_tokens: int, room: float) -> str | None:
        """Why no more is said where so many words may be and the model's context has room for `room` positions
        more: CONTEXT or WORDS, else None."""
        if room <= 0:
            return CONTEXT
        return WORDS if self.spoken >= max_new_tokens else None

    @property
    def closing_token(self) -> int:
        """The token that the move END_THINKING feeds."""
        return self.behind[self.closing]

    def after_thought(self) -> None:
        """Note that a thought was fed."""
        self.thought_count += 1

    def after_closing(self) -> None:
        """Note that closing_token was fed; behind the last of them the model speaks."""
        self.closing += 1
        if self.closing == len(self.behind):
            self.mode = Mode.SPEAKING

    @property
    def segment_of_word(self) -> int:
        """The latent segment that a word said now follows; one in which nothing was fed is none."""
        nothing_fed = self.mode is Mode.THINKING and not self.thought_count
        return max(0, self.segment - nothing_fed)

    def after_word(self, token_id: int) -> None:
        """Note that a word was said; <bot> and the end of text change the mode."""
        self.segment, self.mode = self.segment_of_word, Mode.SPEAKING
        self.spoken += 1
        if token_id == self.bot_id:
            self.mode, self.thought_count, self.closing = Mode.THINKING, 0, 0
            self.segment += 1
        elif token_id in self.eos_ids:
            self.finish(END)

    def finish(self, stopped_by: str | None = None) -> None:
        """End the run here, where it has not ended before."""
        if self.mode is not Mode.FINISHED:
            self.mode, self.stopped_by = Mode.FINISHED, stopped_by
