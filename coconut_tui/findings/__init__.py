"""Findings: what somebody noted of a run, a small text file each, made to be kept in git. Needs no torch."""

from coconut_tui.findings.finding import AtlasRow, Finding, Model, Place, Seen, SeenThought
from coconut_tui.findings.folder import Filter, add_finding, find_file, list_findings, load_finding
from coconut_tui.findings.link import finding_of, link_of

__all__ = [
    "AtlasRow",
    "Filter",
    "Finding",
    "Model",
    "Place",
    "Seen",
    "SeenThought",
    "add_finding",
    "find_file",
    "finding_of",
    "link_of",
    "list_findings",
    "load_finding",
]
