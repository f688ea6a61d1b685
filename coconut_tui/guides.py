"""What each view shows, how to read it, and how it can mislead; shown by `?`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Guide:
    """About one view."""

    title: str
    reading: str
    misleading: str


GUIDES = {
    "thoughts": Guide(
        "Thoughts",
        "A row for each continuous thought: the tokens that this vector would say through the LM head, with"
        " their probabilities. ● taken, ◉ selected, ○ still to come, ✎ edited. Several tokens of like size "
        "are a superposition: the model holds several names at once.",
        "What a thought would say is not all that it carries, and a name that is read out of it need not be"
        " used. Only an edit shows whether the answer hangs on it: z, e and i.",
    ),
    "prompt": Guide(
        "Prompt",
        "The question as the model reads it. Where its graph is known, the asked name is underlined and the"
        " two candidates are bold and blue.",
        "The marks come from the graph, not from the model.",
    ),
    "branches": Guide(
        "Branches",
        "The runs of this question as a tree. ◉ current, ● held in memory, ○ computed again when you go "
        "there, with the same numbers. ✎ is what was done at the fork, » the answer, ✓ right, ✗ wrong.",
        "One branch is one case. That an edit changed this answer does not say that it changes others; and "
        "an edit far from anything the model has met, such as zeros, can break the run without touching "
        "what was meant.",
    ),
    "top": Guide(
        "Top-k",
        "The likeliest tokens of the selected step, the entropy of its whole distribution in nats, the norm"
        " of the vector, and its cosine to the thought before.",
        "The LM head was trained for words, not for thoughts. High entropy can be a superposition or just "
        "nothing that the head can read.",
    ),
    "graph": Guide(
        "Path graph",
        "The problem's graph in layers from the asked name, each node with the thought's probability on it."
        " ▸ marks the layer where a breadth-first search would stand; the bars on top are the mass on that "
        "frontier, on all that can be reached, on shortest paths, and on the candidates.",
        "Mass on the frontier fits a search, it does not prove one: frontier names may be likely for being "
        "frequent in the question. Compare with a random model, and with edits.",
    ),
    "answer": Guide(
        "Answer",
        "Every word said, with its probability and the two words that came next.",
        "Most words follow from the wording. Look at the one word that decides.",
    ),
    "compare": Guide(
        "Compare",
        "Two branches, thought by thought: the tokens of each with the rank they had in the left one, the KL "
        "divergence of the right readout from the left one (nats), and the cosine of the two states. ≠ marks "
        "what is not the same, = what is.",
        "Readouts can differ widely where states hardly do, and the other way round: the LM head sees some "
        "directions only. After an edit all later thoughts differ a little; look for where it is a lot, and "
        "whether the answer follows.",
    ),
    "what-if": Guide(
        "What if",
        "The answer with each intervention alone, everything else as in this branch. p is the probability of "
        "the word where the answer first differs; where it stays the same, of the word there. Enter makes a "
        "branch of a row.",
        "An answer that stays need not mean that the thought is not used: the others may carry the same. "
        "One that changes may change because the model never met such a vector; mean, twin and random are "
        "closer to what it knows than zero and noise.",
    ),
    "edit": Guide(
        "Edit",
        "Left the interventions, right what they need; the line on top is the same as text, and can be typed. "
        "Below, the thoughts that would change, and the answer, now and then. Nothing has been done yet: "
        "enter does it in a branch of its own, escape leaves all as it was.",
        "The preview is of this question only. A strong push always changes something; compare with pushes of "
        "the same size in other directions (noise, another token) before reading a meaning into it.",
    ),
}
