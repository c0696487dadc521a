"""Writing safetensors so that a disk that is full is an error of the system, as of other files."""

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def save_tensors(tensors: "Mapping[str, Tensor]", path: Path) -> None:
    """Write a file of tensors; inside ``io.atomic`` what goes wrong becomes a BadInput.

    Raises:
        OSError: it cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file(dict(tensors), path)
    except SafetensorError as error:
        raise OSError(errno.EIO, str(error), str(path)) from error
