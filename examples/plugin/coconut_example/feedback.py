"""A feedback rule: the hidden state with its numbers rounded, to see how precise a thought has to be."""

from torch import Tensor, nn

from coconut_core.latent.feedback import Option, Parts, Rule


class RoundedFeedback(nn.Module):
    """The hidden state, each number rounded to the nearest multiple of step. Gradients pass as if not."""

    def __init__(self, step: float = 0.25) -> None:
        super().__init__()
        self.step = step

    def forward(self, hidden: Tensor) -> Tensor:
        """(…, hidden) -> (…, hidden)"""
        rounded = (hidden.detach() / self.step).round() * self.step
        return hidden + (rounded - hidden.detach())


def build(parts: Parts, **options: float) -> nn.Module:
    """The rule of a model; the options are those of ROUNDED, checked. Other rules need the model's parts."""
    return RoundedFeedback(**options)


ROUNDED = Rule(
    build,
    {"step": Option("a number above 0", lambda value: type(value) in (int, float) and 0 < value < 1e6)},
)
