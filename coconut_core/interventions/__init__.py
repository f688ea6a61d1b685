"""What can be done to thoughts: small values (edits), plans over a run, donors, and a text form of it all.

Only what needs no run of a model is imported here; see the modules `donors` and `text` for the rest.
"""

from coconut_core.runs.edits import (
    Add,
    Apply,
    Chain,
    Edit,
    HiddenPositions,
    Intervention,
    Nearest,
    Noise,
    PatchHead,
    PatchLayer,
    ProjectOut,
    Replace,
    Scale,
    Zero,
    chain,
)
from coconut_core.runs.plan import Plan

__all__ = [
    "Add",
    "Apply",
    "Chain",
    "Edit",
    "HiddenPositions",
    "Intervention",
    "Nearest",
    "Noise",
    "PatchHead",
    "PatchLayer",
    "Plan",
    "ProjectOut",
    "Replace",
    "Scale",
    "Zero",
    "chain",
]
