"""Checkpoints of others: read into a Coconut folder, and written back in the official layout.

`importers` is the table of formats, one module each; `weights` reads files safely, `keys` says what does
not fit, `base` is the model that a checkpoint was trained from, `convert` writes the folder. Importing this
needs no torch.
"""

from coconut_core.checkpoints.importers import IMPORTERS, Importer, ImportOptions, importer_named, split_source

__all__ = ["IMPORTERS", "ImportOptions", "Importer", "importer_named", "split_source"]
