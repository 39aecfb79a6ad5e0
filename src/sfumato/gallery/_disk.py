"""Files that survive a power cut."""

import os
from pathlib import Path

from sfumato.files import atomic_path, sync_folder


def write_synced(path: Path, text: str) -> None:
    """Write a text file, whole or not at all, and onto the disk."""
    with atomic_path(path) as temporary, open(temporary, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)
