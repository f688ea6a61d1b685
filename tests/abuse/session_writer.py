"""Saves an explorer's session: python -m tests.abuse.session_writer FILE NAME."""

import json
import sys
from pathlib import Path

from coconut_tui.branches import Tree
from coconut_tui.saved import SavedRun, SavedSession
from coconut_tui.state import ModelChoice
from coconut_tui.store import SessionStore

path, name = Path(sys.argv[1]), sys.argv[2]
tree = Tree.planted(f"Is {name} a lempus? " * 500, None, None, None)
store = SessionStore(path.parent)
store._path = path  # which has its process's number in it otherwise
store.save(SavedSession(SavedRun(ModelChoice("models/none"), tree)))
store.close()
json.loads(path.read_text(encoding="utf-8"))
