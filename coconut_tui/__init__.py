"""coconut_tui: a terminal explorer for models that reason in continuous thoughts."""

import os

# Textual paints at its ticks, 60 a second unless it is told otherwise before it is imported: twice as many
# halve what a key waits for the next one.
os.environ.setdefault("TEXTUAL_FPS", "120")
