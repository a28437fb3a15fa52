"""Files: archives of arrays, descriptions of PyTrees, and the folder of a run. Nothing that is read is executed."""

from sngd.files._archive import from_json, read_archive, write_archive, write_atomically
from sngd.files._folder import CHECKPOINTS, HISTORY, MODEL, PICTURE, RESULT, SETTINGS, prepare_folder, run_folder
from sngd.files._structure import Structure, differences, structure_of

__all__ = [
    "CHECKPOINTS",
    "HISTORY",
    "MODEL",
    "PICTURE",
    "RESULT",
    "SETTINGS",
    "Structure",
    "differences",
    "from_json",
    "prepare_folder",
    "read_archive",
    "run_folder",
    "structure_of",
    "write_archive",
    "write_atomically",
]
