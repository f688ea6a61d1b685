"""What a pane, a view or a screen shows, how to read it, and how it can mislead; shown by `?`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Guide:
    """About one of them."""

    title: str
    reading: str
    misleading: str


GUIDES = {  # of panes and screens; a view has its own
    "thoughts": Guide(
        "Thoughts",
        "What each continuous thought would say through the LM head. As a matrix, a column is a thought and a "
        "row a token: a graph's nodes by hops from the asked name (★ on a shortest path, ✓ right, ✗ wrong), so "
        "that a breadth-first search is a diagonal; ▸ marks where it should stand, and the last row is the "
        "share of the thought that is there. » is the word that decides the answer. As rows (0 switches), each "
        "thought has its likeliest tokens as bars: ● taken, ◉ selected, ○ still to come, ✎ edited. Several "
        "tokens of like size are a superposition. The curve is ln p(right) − ln p(wrong): above 0 right is "
        "ahead. $ shows p, ln p or ranks.",
        "What a thought would say is not all that it carries, and a name that is read out of it need not be"
        " used. Only an edit shows whether the answer hangs on it: z, e and i. Shades grow with the root of "
        "the probability, so that small ones are seen: read the numbers. The curve compares two tokens that "
        "may both be next to impossible at this thought.",
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
        "there, with the same numbers. ✎ is what was done at the fork, » the answer, ✓ right, ✗ wrong, ≈ the "
        "right name in other words than the expected ones, which counts as wrong.",
        "One branch is one case. That an edit changed this answer does not say that it changes others; and "
        "an edit far from anything the model has met, such as zeros, can break the run without touching "
        "what was meant.",
    ),
    "compare": Guide(
        "Compare",
        "Two branches, thought by thought, from the first difference on; the answers stay on top. A line "
        "is a token: the bar to its left is its probability in the left branch, that to its right in the "
        "right one, ▲ ▼ its shift in rank. KL is the divergence of the right readout from the left one "
        "(nats), cos the cosine of the two states. ≠ marks what is not the same, = what is.",
        "Readouts can differ widely where states hardly do, and the other way round: the LM head sees some "
        "directions only. After an edit all later thoughts differ a little; look for where it is a lot, "
        "and whether the answer follows.",
    ),
    "what-if": Guide(
        "What if",
        "The answer with each intervention alone, everything else as in this branch; ≠ marks another "
        "answer than with nothing changed, whatever words stand in front of it. All numbers are read at "
        "one place in every row: the answer prefix and the words that both answers begin with are put "
        "behind the thoughts; p is how likely the right name and the wrong one are next, the logit "
        "difference is log p of the one minus log p of the other, and the bar how far it moves against the "
        "run with nothing changed: to the left towards the wrong name. Where these are not known, the "
        "answer with nothing changed and the commonest other one stand in for them; where no answer "
        "differs, p is of the word that it was least sure of. o sorts the rows by effect, enter makes a "
        "branch of one. A sweep has a curve over its strengths besides.",
        "An answer that stays need not mean that the thought is not used: the others may carry the same. "
        "One that changes may change because the model never met such a vector; mean, twin and random are "
        "closer to what it knows than zero and noise.",
    ),
    "grid": Guide(
        "What if: the causal grid",
        "Each cell is one thing done alone: how far it moves the logit difference (log p of the right name "
        "minus log p of the wrong one, in nats) against the run as it is. Tab or 1 to 5: every ablation by "
        "thought; the output of every head (t: at which thought); the residual stream after every layer by "
        "thought; the same by position of the prompt; and what a thought may not attend to. o is the donor "
        "whose activations are patched in, by default the minimal twin's. d turns it round: noising breaks "
        "this run with the donor's activations, denoising repairs the donor's run with this one's. A "
        "stronger shade is a larger move, the sign says which way; ✗ marks a right answer that becomes "
        "wrong, ✓ a wrong one that becomes right. Enter makes a branch of the cell under the cursor.",
        "A column that stays pale can still be needed: where two thoughts carry the same, taking one away "
        "changes nothing. A dark row of zero or noise alone says that the model was disturbed; look "
        "whether mean, random and twin say the same. Noising finds what is needed, denoising what is enough. "
        "And it is one question: coconut grid --data takes the mean over many.",
    ),
    "edit": Guide(
        "Edit",
        "Left the interventions, right what they need; the line on top is the same as text, and can be typed. "
        "Below, the thoughts that would change, and the answer, now and then. Nothing has been done yet: "
        "enter does it in a branch of its own, escape leaves all as it was.",
        "The preview is of this question only. A strong push always changes something; compare with pushes of "
        "the same size in other directions (noise, another token) before reading a meaning into it.",
    ),
    "controls": Guide(
        "Controls for this question",
        "This question answered with something else in place of its thoughts: the controls of coconut "
        "controls, all in one batch. The answer follows the thoughts at once, and edits of the branch do "
        "not count. What is drawn by chance is drawn several times. The columns p are how likely the right "
        "name and the wrong one are behind the words that both answers begin with (as in what if; ✓ and ✗ "
        "say which is which), the logit difference is log p of the one minus log p of the other, the bar "
        "how far it moves against its own thoughts; all are means over the draws. o sorts each group by "
        "that. random, same-hop and twin are swaps: thoughts that the model does think, of another problem.",
        "One question is n=1: it can show that this answer hangs on these thoughts, not that the model's "
        "answers do. A swap may change the answer only because it disturbs; then noise does so as often. "
        "An answer that no swap changes may be one that the question gives away, or the same for both "
        "problems. The verdict, on many problems and with intervals, stands below.",
    ),
    "problems": Guide(
        "Problems",
        "What the model said beside what was expected. ✓ right, ✗ wrong, ≈ the right name in other words, "
        "which counts as wrong, · not answered; ctrl+a answers the listed problems, ctrl+t "
        "answers them with other problems' "
        "thoughts, several for each: ● used, more than half of these swaps changed the answer's text; ○ "
        "unused, none did; ◐ partly, between. The figures are the changed answers of the swaps. In the "
        "filter: used, partly, unused, right, wrong, open, 4 or 3-5 reasoning steps, or a word of the "
        "question. f3 sorts: by number, steps, wrong answers first, most changed by swaps first. Below stands "
        "by number of reasoning steps how many answers are right, and how many use their thoughts.",
        "used says that the answer hangs on whose thoughts are fed, not that the thoughts hold the "
        "solution: a model that strange thoughts only disturb shows the same. A few swaps are few: with "
        "none of six changed, the share that would change may still be a third. Picking the used ones and "
        "then measuring how much thoughts matter on them is measuring what was picked.",
    ),
    "atlas": Guide(
        "Atlas",
        "The runs of a data set, a row each. / filters: wrong and top(3) = 'yumpus' and frontier(4) < .5. "
        "Names with a value for each thought take its number in brackets, tab completes names, and the rest "
        "is SQL as DuckDB reads it. < and > choose the column to sort by, r turns the order, c the columns, "
        "left and right the thought in question. The small columns are the course of a measure over the "
        "thoughts; v chooses which. Above, of the runs that fit the filter: right answers by hops with 95 % "
        "intervals, the mean share on the frontier (without graphs: the entropy) of each thought by hops, and "
        "what each thought says most. Tab goes there, and enter then shows the runs of a cell only. Enter on a "
        "row opens the run live; the same key comes back to the row. n lists the thoughts nearest to the one "
        "in question, m draws the map.",
        "A filter that is tried until something odd is left finds something odd: look whether it holds on "
        "other problems. used says only that more than half of the swaps changed the answer. Intervals are of "
        "one number at a time. The map shows two directions of many, and a cosine of two thoughts says nothing "
        "of what follows from them: an edit does.",
    ),
    "beside": Guide(
        "Two models",
        "The run on screen and another model's run of the same question; s, b, c and r move both. Thoughts "
        "are mirrored as two branches are; a step that the other model said in words (») stands beside the "
        "thought that should be as far, with the probability that it has there. KL compares two readouts, "
        "which needs the same vocabulary, cos two states, which needs the same width; ≠ marks what "
        "differs. Tokens are counted as the paper does: thoughts, words and markers. With "
        "several others (:beside A B C) each has a row on top, compared with the first; left and right choose "
        "the one that is shown in full.",
        "States of two models that were trained apart live in different bases: their cosine says nothing, "
        "however alike the models are. It can be read between checkpoints of one run. And one question is "
        "n=1: which model is better is for coconut eval on many.",
    ),
    "across": Guide(
        "Across a training run",
        "A column for each checkpoint of a run: above the loss of the training log (─ on held-out problems), "
        "below whether its answer to the question on screen is right, how many of eight other problems' "
        "thoughts change it, and each thought: its mass on the nodes that it stands for, shaded where that is "
        "above chance (the graph's names dealt anew). Left and right choose a checkpoint, of which the lower "
        "part tells the likeliest tokens; enter opens it with this question. Each thinks as at the stage that "
        "it had reached. What was asked once is kept beside the run.",
        "One question is n=1: from when on a run needs its thoughts coconut across says, over many problems "
        "and with intervals. A new stage is another task, so a jump there need not be something learned. A "
        "frontier that can be read in a thought is not yet used.",
    ),
    "training": Guide(
        "Training",
        "On top the newest figures of the run, then its course from metrics.jsonl: the loss of single "
        "batches by part (nats a token), the accuracy on held-out problems, how much of the search's frontier "
        "each thought holds, the learning rate. A │ is where a stage begins. The log is read as it grows.",
        "A stage makes the task harder, so a loss that jumps there is no failure, and losses of two stages "
        "are not those of one task. Accuracy alone never says that thoughts are used: only controls do.",
    ),
}
