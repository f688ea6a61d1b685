"""What training minimises: cross entropies over the positions that have a label."""

from torch import Tensor, log_softmax, nn

from coconut_core.common.errors import CoconutError

IGNORE = -100  # label of a position that carries no loss


def has_label(labels: Tensor) -> Tensor:
    """Where there is a label, (batch, time), for labels of either form."""
    is_label = labels != IGNORE
    return is_label if labels.dim() == 2 else is_label.any(dim=-1)


def cross_entropy(scores: Tensor, targets: Tensor) -> Tensor:
    """Loss of each position: scores (positions, vocabulary), targets (positions,) or (positions, choices)."""
    if targets.dim() == 1:
        return nn.functional.cross_entropy(scores, targets, reduction="none")
    is_target = targets != IGNORE
    log_probabilities = log_softmax(scores, dim=-1).gather(1, targets.clamp(min=0))
    losses: Tensor = -(log_probabilities * is_target).sum(dim=-1) / is_target.sum(dim=-1)
    return losses


def halting_cross_entropy(head: nn.Module, hidden: Tensor, latent: Tensor, targets: Tensor) -> Tensor:
    """Mean binary cross entropy of a halting head; 0 where there is no target.

    hidden (batch, time, hidden); latent and targets (batch, time). The state at a latent is the one after its
    thought, which is what a run's HaltingRule is shown. Raises CoconutError for a target where there is no
    latent.
    """
    is_target = targets != IGNORE
    if bool((is_target & ~latent).any()):
        raise CoconutError("halt_targets must be -100 wherever there is no latent")
    log_odds, verdicts = head(hidden[is_target]).float(), targets[is_target].float()
    total = nn.functional.binary_cross_entropy_with_logits(log_odds, verdicts, reduction="sum")
    mean: Tensor = total / max(1, log_odds.shape[0])
    return mean
