"""The halting head: a classifier on the state after a thought."""

import torch
from torch import Tensor, nn


class HaltingHead(nn.Module):
    """A classifier on the state after a thought: has the model thought enough?"""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(hidden_size, 1)

    def forward(self, hidden: Tensor) -> Tensor:
        """Log-odds that thinking should end, (…, hidden) -> (…)."""
        log_odds: Tensor = self.linear(hidden).squeeze(-1)
        return log_odds

    @torch.inference_mode()
    def probability(self, hidden: Tensor) -> Tensor:
        """Probability that thinking should end, (…, hidden) -> (…), float32; without gradients."""
        return torch.sigmoid(self(hidden).float())
