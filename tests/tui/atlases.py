"""Atlases for tests: a small one of real runs, and one of very many rows made of the same."""

from dataclasses import replace
from pathlib import Path

from coconut_core import CoconutModel
from coconut_core.atlas.building import build
from coconut_core.atlas.folder import file_names, hash_file, read_manifest, write_manifest
from coconut_core.problems import generate_problems

MODEL = "models/prosqa"
_ALL = generate_problems("prosqa", 92, seed=3)
PROBLEMS = [*_ALL[20:36], *_ALL[80:92]]
WRONG = [13, 23]  # of these runs


def build_small(folder: Path) -> Path:
    """The runs of PROBLEMS."""
    build(CoconutModel.from_pretrained(MODEL), PROBLEMS, folder, source=MODEL)
    return folder


def build_large(small: Path, folder: Path, count: int) -> Path:
    """So many rows, those of a small atlas again and again, without vectors."""
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(small / file_names(0)[0])
    rows = pyarrow.concat_tables([table] * -(-count // len(table))).slice(0, count)
    rows = rows.set_column(rows.schema.get_field_index("run"), "run", pyarrow.array(range(count)))
    runs, vectors = (folder / name for name in file_names(0))
    for path in (runs, vectors):
        path.parent.mkdir(parents=True)
    pyarrow.parquet.write_table(rows, runs)
    vectors.write_bytes(b"")
    manifest = read_manifest(small)
    part = replace(
        manifest.parts[0],
        rows=count,
        bytes=(runs.stat().st_size, 0),
        hashes=(hash_file(runs), hash_file(vectors)),
    )
    data = (replace(manifest.data[0], count=count),)
    write_manifest(folder, replace(manifest, data=data, parts=(part,)))
    return folder
