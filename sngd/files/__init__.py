"""Files: archives of arrays, descriptions of PyTrees, checkpoints, the folder of a run, tables of data, and meshes.

No function here executes code that it reads from a file.
"""

from sngd.files._archive import from_json, read_archive, write_archive, write_atomically
from sngd.files._checkpoints import CheckpointFolder, Checkpoints
from sngd.files._folder import CHECKPOINTS, HISTORY, MODEL, PICTURE, RESULT, SETTINGS, prepare_folder, run_folder
from sngd.files._meshes import read_mesh
from sngd.files._pytree import Plain, pack, restored, unpack
from sngd.files._structure import Structure, differences, structure_of
from sngd.files._tables import read_data

__all__ = [
    "CHECKPOINTS",
    "HISTORY",
    "MODEL",
    "PICTURE",
    "RESULT",
    "SETTINGS",
    "CheckpointFolder",
    "Checkpoints",
    "Plain",
    "Structure",
    "differences",
    "from_json",
    "pack",
    "prepare_folder",
    "read_archive",
    "read_data",
    "read_mesh",
    "restored",
    "run_folder",
    "structure_of",
    "unpack",
    "write_archive",
    "write_atomically",
]
