"""Do the tensors of a checkpoint fit the model they are for? If not, exactly which do not."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from coconut_core.common.errors import CoconutError

SHOWN = 3  # names of each kind in a message

# Buffers that older versions of transformers saved with the weights; each is a constant of the architecture.
OLD_BUFFERS = (".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq")


def check_keys(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], what: str, cure: str) -> None:
    """Raise CoconutError unless weights hold exactly the expected names, each in the expected shape.

    The message counts what is missing, extra and of another shape and names the first few of each; `what`
    begins it and `cure` ends it.
    """
    missing = [name for name in expected if name not in weights]
    extra = [name for name in weights if name not in expected]
    shapes = [
        f"{name} {list(weights[name].shape)} instead of {list(tensor.shape)}"
        for name, tensor in expected.items()
        if name in weights and weights[name].shape != tensor.shape
    ]
    kinds = (("missing", missing), ("extra", extra), ("of another shape", shapes))
    faults = [f"{len(names)} {kind} ({few(names)})" for kind, names in kinds if names]
    if faults:
        raise CoconutError(f"{what} does not fit: of {len(expected)} tensors {'; '.join(faults)}. {cure}")


def few(names: Iterable[str]) -> str:
    """The first few names, and how many more there are."""
    names = list(names)
    more = f", … {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def without_old_buffers(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors but for the buffers that older versions of transformers saved, where unexpected."""
    return {
        name: tensor for name, tensor in weights.items() if name in expected or not name.endswith(OLD_BUFFERS)
    }


def names_of_one_tensor(model: nn.Module) -> list[list[str]]:
    """The names under which tied parameters appear, those of each parameter together."""
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return [group for group in names.values() if len(group) > 1]


def fill_tied(weights: Mapping[str, Tensor], groups: Iterable[list[str]]) -> dict[str, Tensor]:
    """The same tensors, and under every name of a group the one that the checkpoint holds under another."""
    full = dict(weights)
    for group in groups:
        present = [name for name in group if name in weights]
        full |= {name: weights[present[0]] for name in group if present and name not in weights}
    return full


def check_tied(weights: Mapping[str, Tensor], groups: Iterable[list[str]], what: str) -> None:
    """Raise CoconutError where one tensor under several names is not the same under each."""
    for first, *others in groups:
        for name in others:
            if not same_bits(weights[first], weights[name]):
                raise CoconutError(
                    f"{what} holds two versions of one tensor: {first} and {name} are tied in this "
                    "architecture and differ in the file; perhaps it was trained from another --base"
                )


def same_bits(first: Tensor, second: Tensor) -> bool:
    """Whether two tensors have one shape, number format and content, bit by bit (so that NaN equals NaN)."""
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    return torch.equal(
        first.contiguous().flatten().view(torch.uint8), second.contiguous().flatten().view(torch.uint8)
    )


def common_dtype(weights: Iterable[Tensor]) -> torch.dtype:
    """The narrowest number format that holds all floating-point weights exactly; of none, float32."""
    formats = {tensor.dtype for tensor in weights if tensor.is_floating_point()}
    widest = formats.pop() if formats else torch.float32
    for dtype in formats:
        widest = torch.promote_types(widest, dtype)
    return widest
