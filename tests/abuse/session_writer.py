"""Saves an explorer's session: python -m tests.abuse.session_writer FILE NAME [resume].

With `resume` it goes on with one that broke off before, if there is one, and says so.
"""

import json
import sys
from pathlib import Path

from coconut_core.model_choice import ModelChoice
from coconut_tui.run.branches import Tree
from coconut_tui.saved.format import SavedRun, SavedSession
from coconut_tui.saved.store import SessionStore

path, name = Path(sys.argv[1]), sys.argv[2]
tree = Tree.planted(f"Is {name} a lempus? " * 500, None, None, None)
store = SessionStore(path.parent)
store._path = path  # which has a name of its own otherwise
if sys.argv[3:] == ["resume"]:
    found = store.load(lambda session: not session.in_order)
    print("nothing to resume" if found is None else f"resumed {found.run.tree.question}")
store.save(SavedSession(SavedRun(ModelChoice("models/none"), tree)))
store.close()
json.loads(path.read_text(encoding="utf-8"))
