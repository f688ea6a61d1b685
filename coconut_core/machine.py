"""The state machine of a reasoning run: what comes next, a thought or a word?

Pure bookkeeping without tensors; Session drives one, generate drives one for each row of a batch.
"""

from dataclasses import dataclass
from enum import StrEnum


class Mode(StrEnum):
    """What the model is doing."""

    THINKING = "thinking"
    SPEAKING = "speaking"
    FINISHED = "finished"


class Move(StrEnum):
    """What is to be fed next."""

    THINK = "think"  # a continuous thought
    END_THINKING = "end thinking"  # the <eot> marker
    SPEAK = "speak"  # a word
    NOTHING = "nothing"  # the run is over


@dataclass
class Machine:
    """Begins behind a prompt that ends with <bot>. The model may say <bot> again and enters a new segment."""

    bot_id: int
    eot_id: int
    eos_ids: frozenset[int]
    thoughts: int  # thoughts in a latent segment when nothing ends it earlier
    mode: Mode = Mode.THINKING
    taken: int = 0  # thoughts taken in the current segment
    segment: int = 0  # number of the current or last latent segment, from 0
    spoken: int = 0  # words said, markers that the model says itself included

    def next_move(self, halt: bool = False) -> Move:
        """What comes next; halt says that a stopping rule wants thinking to end here."""
        if self.mode is Mode.THINKING:
            return Move.END_THINKING if halt or self.taken >= self.thoughts else Move.THINK
        return Move.SPEAK if self.mode is Mode.SPEAKING else Move.NOTHING

    def after_thought(self) -> None:
        """Note that a thought was fed."""
        self.taken += 1

    def after_token(self, token_id: int) -> None:
        """Note that a token was fed; markers change the mode."""
        if token_id == self.eot_id and self.mode is Mode.THINKING:
            self.mode = Mode.SPEAKING
            return
        self.spoken += 1
        if token_id == self.bot_id and self.mode is Mode.SPEAKING:
            self.mode, self.taken, self.segment = Mode.THINKING, 0, self.segment + 1
        elif token_id in self.eos_ids:
            self.mode = Mode.FINISHED

    def finish(self) -> None:
        """End the run here, for want of room or of patience."""
        self.mode = Mode.FINISHED
