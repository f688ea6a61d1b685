"""How much memory a training step will take in each process, from shapes alone.

The step itself is run, with weights of which only the shapes are there (see shape_only), and the bytes that are
alive at once are counted: so nothing here has to know how a layer works, what a method reads or what gradient
checkpointing keeps. Where all layers are alike, models of few layers are run and the rest is added: in each
part of a step the most that is alive grows by the same for each layer. What processes share (FSDP) is
arithmetic.

Tensors count. The interpreter, CUDA's own context, a device allocator's gaps and the evaluations do not.
"""

import warnings
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.latent.layers import decoder_layers
from coconut_core.latent.prompt_shortcut import prompt_shortcut
from coconut_core.training.curriculum import Stage
from coconut_core.training.data import encoder_of
from coconut_core.training.encoding import Example, TokenizedProblem
from coconut_core.training.gradient_checkpointing import check_checkpointing, kept_for_gradients
from coconut_core.training.methods.objective import Objective
from coconut_core.training.methods.passes import StepSize
from coconut_core.training.methods.table import method_named
from coconut_core.training.optimizer import build_optimizer
from coconut_core.training.recipe import Recipe
from coconut_core.training.shape_only import ShapeBytes, base_config, shape_only_model, with_layers

FEW = (3, 4)  # layers: one at each end, and one or two in between
Sharing = Literal["whole", "gathered", "sharded"]  # every process all weights; FSDP once a step, or once a pass
WIDE = 4  # bytes of a weight as it is trained and saved
FORMATS = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Lengths:
    """Tokens of the longest sequences: the question with <bot>, the thoughts, what is said behind <eot>, and
    the steps in words, which only some methods read beside the thoughts."""

    question: int
    thoughts: int
    said: int
    steps: int = 0


@dataclass(frozen=True)
class TrainingNeed:
    """Bytes in one process. The first three are there all the time, of a process's own part under FSDP."""

    weights: int
    averages: int  # of the optimizer
    gathered: int  # FSDP: weights of other processes, at most at once
    gradients: int  # of all weights that are trained, once they are complete
    activations: int  # when the last pass of a micro-batch has been read, kept for the way back
    passes: int  # at most at once on the way there and back: activations, gradients and what comes and goes
    update: int  # at most at once while the optimizer steps: gradients and what comes and goes

    @property
    def peak(self) -> int:
        """The most at any time."""
        return self.weights + self.averages + max(self.passes + self.gathered, self.update)

    def to_json(self) -> dict[str, int]:
        """All of it, the peak included."""
        return asdict(self) | {"peak": self.peak}


Needs = dict[Sharing, TrainingNeed]


def predict_training(recipe: Recipe, lengths: Lengths, *, processes: int = 1, gpu: bool = True) -> Needs:
    """What a step of a recipe needs at most in each of so many processes, all sequences being that long:
    "whole", and of several processes "gathered" and "sharded" as well.

    gpu: attention and optimizer as they are on a GPU, else as on a CPU. Raises CoconutError for what cannot be
    trained, and for sequences that are longer than the model reads.
    """
    if recipe.lora.quantize:
        raise CoconutError("weights in few bits are not predicted: leave out lora.quantize, and count less")
    step = partial(_measured, recipe, lengths, processes, gpu)
    needs: Needs = {"whole": step(False).whole(processes)}
    if processes > 1:
        own = step(True)
        needs |= {
            "gathered": own.shared(processes, recipe),
            "sharded": own.shared(processes, recipe, anew=True),
        }
    return needs


def _measured(recipe: Recipe, lengths: Lengths, processes: int, gpu: bool, shared: bool) -> "_Measured":
    """A step of a recipe; shared: under FSDP."""
    config = base_config(recipe)
    measure = partial(_Measured.of, recipe, lengths, processes, gpu, shared)
    layers: int = config.get_text_config().num_hidden_layers
    if layers > FEW[-1]:
        fewer, few = (measure(with_layers(config, count)) for count in FEW)
        if few.alike:
            return few.extended(fewer, layers - FEW[-1])
    return measure(config)


@dataclass(frozen=True)
class _Measured:
    """A step of a model of some layers. Bytes, all weights being in one process."""

    weights: int
    trained: int  # weights, as the optimizer has them
    gradients: int
    rest: int  # weights outside the layers, as they are gathered
    layer: int  # weights of the largest one, likewise
    activations: int
    passes: tuple[int, ...]  # the most in each part of the way there and back
    update: int  # the most that comes and goes beside gradients
    alike: bool  # whether all layers have as many weights

    @classmethod
    def of(
        cls, recipe: Recipe, lengths: Lengths, processes: int, gpu: bool, shared: bool, config: Any
    ) -> "_Measured":
        """Run it."""
        kind = FORMATS[recipe.precision] if shared else torch.float32  # FSDP keeps those of float32 beside
        model = shape_only_model(recipe, config, "sdpa" if gpu else "eager", kind)
        weights, trained = _count(model) * WIDE, _count(model, trained=True) * WIDE
        sizes = [_bytes_of(layer) for layer in decoder_layers(model)]
        alone = _Step(model, recipe, lengths, processes, shared)
        update = alone.update(gpu)
        passes, activations = alone.passes()
        return cls(
            weights, trained, _bytes_of(model, trained=True), _bytes_of(model) - sum(sizes), max(sizes),
            activations, passes, update, len(set(sizes)) == 1,
        )  # fmt: skip

    def extended(self, fewer: "_Measured", layers: int) -> "_Measured":
        """The same with so many layers more, each of which adds what those of this add to one of `fewer`."""

        def more(own: int, other: int) -> int:
            return own + (own - other) * layers // (FEW[-1] - FEW[0])

        return _Measured(
            more(self.weights, fewer.weights), more(self.trained, fewer.trained),
            more(self.gradients, fewer.gradients), self.rest, self.layer,
            more(self.activations, fewer.activations),
            tuple(more(*pair) for pair in zip(self.passes, fewer.passes, strict=True)),
            more(self.update, fewer.update), True,
        )  # fmt: skip

    def whole(self, processes: int) -> TrainingNeed:
        """What each process needs that has all weights."""
        buckets = self.gradients if processes > 1 else 0  # DDP's, besides the gradients
        passes, update = max(self.passes) + buckets, self.gradients + buckets + self.update
        return TrainingNeed(
            self.weights, 2 * self.trained, 0, self.gradients, self.activations, passes, update
        )  # fmt: skip

    def shared(self, processes: int, recipe: Recipe, anew: bool = False) -> TrainingNeed:
        """What each process needs under FSDP, layers being gathered once a step, or anew for each pass."""
        gathered = self.weights * FORMATS[recipe.precision].itemsize // WIDE
        if anew:  # a layer, the next one on its way, and what is sent of it
            gathered = min(gathered, self.rest + 3 * self.layer)
        own, trained = self.weights // processes, self.trained // processes
        update = (self.trained + self.update) // processes
        return TrainingNeed(own, 2 * trained, gathered, trained, self.activations, max(self.passes), update)


class _Step:
    """One step of a model whose shapes are known, in pieces."""

    def __init__(
        self, model: CoconutModel, recipe: Recipe, lengths: Lengths, processes: int, shared: bool
    ) -> None:
        """Raises CoconutError where model, recipe and lengths do not go together."""
        if recipe.gradient_checkpointing:
            check_checkpointing(model)
        self.model, self.recipe, self.shared = model, recipe, shared
        self.shortcut = nullcontext() if shared else prompt_shortcut(model)
        share = -(-recipe.batch_size // processes)
        count = min(recipe.micro_batch or share, share)
        self.examples = _examples(model, recipe, lengths, count)
        longest, most = max(example.longest for example in self.examples), model.max_positions
        if most is not None and longest > most:
            raise CoconutError(f"the model reads {most} positions, not {longest}: take shorter sequences")
        self.size = StepSize.of(self.examples)
        self.later = count < share  # whether gradients are there from micro-batches before
        halting = recipe.thinking.ends == "halting"
        pad_id = model.tokenizer.pad_token_id
        self.objective = Objective(model, method_named(recipe.method), recipe.options, model, pad_id, halting)

    def update(self, gpu: bool) -> int:
        """The most that comes and goes while the optimizer steps, gradients and averages aside."""
        optimizer = build_optimizer(self.model, self.recipe.optimizer)
        for group in optimizer.param_groups:
            group["foreach"] = gpu
        for _ in range(2):  # the first makes the averages
            _fill_gradients(self.model)
            with ShapeBytes() as live:
                if self.recipe.optimizer.clip:
                    nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.optimizer.clip)
                optimizer.step()
        self.model.zero_grad(set_to_none=True)
        peak: int = live.peak
        return peak

    def passes(self) -> tuple[tuple[int, ...], int]:
        """The most in each part of the way there and back, and what is kept in between."""
        before = 0
        if self.later:
            before = _fill_gradients(self.model)
        model, layers = self.model, decoder_layers(self.model)
        checkpointing = self.recipe.gradient_checkpointing
        kept_back = kept_for_gradients(model, checkpointing=checkpointing, sharded=self.shared)
        with ShapeBytes() as live:
            # Gradients reach the last layer, those in between, and the first one.
            marked = [model.text_model, *([layers[-2], layers[0]] if len(layers) > 2 else [])]
            hooks = [module.register_forward_hook(_marking(live)) for module in marked]
            precise = self.recipe.precision == "no"
            with kept_back, self.shortcut, warnings.catch_warnings(action="ignore"):  # of no address
                with nullcontext() if precise else torch.autocast("cpu", FORMATS[self.recipe.precision]):
                    loss = self.objective(self.examples, self.size).total
                live.mark()
                kept = live.alive
                loss.backward()
            live.mark()
        for hook in hooks:
            hook.remove()
        self.model.zero_grad(set_to_none=True)
        return tuple(before + peak for peak in live.peaks), kept


def _marking(live: ShapeBytes) -> Any:
    """A hook that has each pass through a module end a part of the time, there and back."""

    def hook(module: nn.Module, arguments: Any, output: Any) -> None:
        live.mark()
        states = output if isinstance(output, Tensor) else output[0]
        if states.requires_grad:
            states.register_hook(live.mark)

    return hook


def _examples(model: CoconutModel, recipe: Recipe, lengths: Lengths, count: int) -> list[Example]:
    """So many problems as long as they are said to be, laid out as the recipe's method does it."""
    word = 6  # any token that stands for no marker
    steps = [[word] * lengths.steps] if lengths.steps else []
    steps += [[word]] * (lengths.thoughts - len(steps))
    problem = TokenizedProblem(
        [*[word] * (lengths.question - len(model.config.fed_before)), *model.config.fed_before],
        steps, [word] * lengths.said,
    )  # fmt: skip
    stage = Stage(1, removed=len(steps), thoughts=lengths.thoughts)
    return [encoder_of(model, recipe).encode(problem, stage)] * count


def _fill_gradients(model: nn.Module) -> int:
    """Have every weight that is trained a gradient; their bytes."""
    for weight in model.parameters():
        if weight.requires_grad:
            weight.grad = torch.empty_like(weight)
    return _bytes_of(model, trained=True)


def _count(module: nn.Module, trained: bool = False) -> int:
    return sum(weight.numel() for weight in module.parameters() if weight.requires_grad or not trained)


def _bytes_of(module: nn.Module, trained: bool = False) -> int:
    weights = [weight for weight in module.parameters() if weight.requires_grad or not trained]
    return sum(weight.nbytes for weight in weights)
