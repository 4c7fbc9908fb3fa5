"""Files that were uploaded: kept in the folder of the studio, under a free name, and nowhere else.

A file is a table, a trained network, or a run in a zip archive; what is none of them is not left behind.
"""

import io
import re
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from shutil import copyfileobj
from tempfile import TemporaryDirectory
from typing import Any

from whygrad.errors import FileError, InputError, WhygradError
from whygrad.files import write_atomically
from whygrad.interop import FILES, Model, explain
from whygrad.record import open_run
from whygrad.record.files.location import ENDING, MANIFEST, free_name
from whygrad.tables import FORMS, PACKED, read
from whygrad.tables import ending as ending_of
from whygrad.tables import stem as stem_of
from whygrad.tables.opening import told_of_archive

TABLES = (*FORMS, *PACKED)
MODELS = tuple(FILES)
UPLOADED = (*TABLES, *MODELS)
# Files of others that are refused, and what to write in their place.
AS_ONNX = "write the module as ONNX, torch.onnx.export(module, (rows,), 'net.onnx'), and drop that"
AS_SKOPS = "write the estimator with skops.io.dump(model, 'net.skops'), and drop that"
PICKLED = dict.fromkeys((".pt", ".pth", ".pt2", ".bin", ".ckpt"), AS_ONNX)
PICKLED |= dict.fromkeys((".pkl", ".pickle", ".joblib", ".cloudpickle"), AS_SKOPS)
LONGEST = 200  # bytes of a name
UNPACKED = 1_000_000_000  # bytes of a run that was packed
MOST_FILES = 20_000
UNSAFE = re.compile(r"[^\w. ()\-]+")


def keep_table(folder: Path, name: str, content: bytes) -> tuple[Path, Any]:
    """Keep an uploaded table and return it as read; a file that is none is not left behind."""
    return _kept(folder, name, content, read)


def keep_model(folder: Path, name: str, content: bytes) -> tuple[Path, Model]:
    """Keep an uploaded network and return it as read, without running any code that it holds."""
    return _kept(folder, name, content, explain)


def keep_run(folder: Path, name: str, content: bytes) -> Path:
    """Unpack a run from a zip archive under a free name and return where it lies.

    Only plain files below its folder are unpacked; a run that cannot be opened is not left behind.

    Raises
    ------
    FileError
        For an archive that is damaged, that leads elsewhere or is too large, and for what is no run.
    """
    with told_of_archive(name), zipfile.ZipFile(io.BytesIO(content)) as archive:
        manifest = _manifest_in(archive)
        if manifest is None:
            raise FileError(f"{name}: holds no run, which has a {MANIFEST}")
        stem = manifest.parent.name or Path(_plain(name)).stem
        entries = [one for one in archive.infolist() if not one.is_dir()]
        inside = [(one, _place(one, manifest.parent, name)) for one in entries]
        whole = [(one, place) for one, place in inside if place is not None]
        if len(whole) > MOST_FILES or sum(one.file_size for one, _ in whole) > UNPACKED:
            raise FileError(f"{name}: more than {UNPACKED // 10**9} GB or {MOST_FILES:,} files")
        with TemporaryDirectory(prefix=".unpacking-", dir=folder) as room:
            made = Path(room) / f"run{ENDING}"
            _unpack(archive, whole, made, name)
            open_run(made)
            stem = _shortened(_plain(stem.removesuffix(ENDING))) or "run"
            return made.rename(free_name(stem, folder))


def holds_run(name: str, content: bytes) -> bool:
    """Whether a file is a zip archive with a run in it."""
    if not name.lower().endswith(".zip"):
        return False
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _manifest_in(archive) is not None
    except zipfile.BadZipFile:
        return False  # the reader of tables says what is wrong


def _manifest_in(archive: zipfile.ZipFile) -> PurePosixPath | None:
    """Return the manifest of the one run that is in an archive, at its top or in a folder there."""
    found = [PurePosixPath(name) for name in archive.namelist()]
    found = [path for path in found if path.name == MANIFEST and len(path.parts) <= 2]
    return found[0] if len(found) == 1 else None


def _place(one: zipfile.ZipInfo, top: PurePosixPath, name: str) -> PurePosixPath | None:
    """Return where a file of an archive belongs within its run, None for one beside it."""
    path = PurePosixPath(one.filename)
    if path.is_absolute() or ".." in path.parts or "\\" in one.filename:
        raise FileError(
            f"{name}: {one.filename!r:.100} leads out of the archive: nothing is unpacked"
        )
    if stat.S_ISLNK(one.external_attr >> 16):
        raise FileError(f"{name}: {one.filename!r:.100} is a link: nothing is unpacked")
    return path.relative_to(top) if path.is_relative_to(top) else None


def _unpack(
    archive: zipfile.ZipFile,
    whole: list[tuple[zipfile.ZipInfo, PurePosixPath]],
    into: Path,
    name: str,
) -> None:
    try:
        for one, place in whole:
            path = into / place
            path.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(one) as packed, path.open("wb") as file:
                copyfileobj(packed, file)
    except (
        OSError
    ) as error:  # a file where another is a folder, a name that is too long, a full disk
        raise FileError(f"{name}: cannot be unpacked ({error.strerror})") from None


def refusal(name: str) -> str:
    """Return why a file is neither a table nor a network, by the end of its name, and what to do."""
    advice = PICKLED.get(Path(name).suffix.lower())
    if advice:
        return (
            f"{name}: a pickle, which runs code when it is opened, and therefore is not: {advice}"
        )
    return (
        f"{name}: not a table that can be read: upload CSV, or one of {', '.join(TABLES)}; nor a "
        f"network, which is one of {', '.join(MODELS)}; nor a run, which is a folder packed as .zip"
    )


def _kept(
    folder: Path, name: str, content: bytes, reader: Callable[[Path], Any]
) -> tuple[Path, Any]:
    before = set(folder.iterdir())
    path = keep(folder, name, content)
    try:
        return path, reader(path)
    except WhygradError:
        if path not in before:
            path.unlink(missing_ok=True)
        raise


def is_model(name: str) -> bool:
    """Whether a file is a trained network, by the end of its name."""
    return name.lower().endswith(MODELS)


def keep(folder: Path, name: str, content: bytes) -> Path:
    """Write an uploaded file into the folder; raises `InputError` for neither a table nor a network.

    The same content under the same name is kept once.
    """
    plain = _plain(name)
    stem, ending = stem_of(plain), ending_of(plain)
    if is_model(plain):
        stem, ending = Path(plain).stem, Path(plain).suffix.lower()
    if not ending:
        raise InputError(refusal(name))
    if not content:
        raise InputError(f"{name}: the file is empty")
    stem = _shortened(stem)
    path, number = folder / f"{stem}{ending}", 2
    while path.exists():
        if path.is_file() and not path.is_symlink() and path.read_bytes() == content:
            return path
        path, number = folder / f"{stem}-{number}{ending}", number + 1
    write_atomically(path, content)
    return path


def _plain(name: str) -> str:
    """Return the last part of a name, without what a file's name should not have."""
    return UNSAFE.sub("_", name.replace("\\", "/").rsplit("/", 1)[-1]).lstrip(".")


def _shortened(stem: str) -> str:
    return stem.encode()[:LONGEST].decode(errors="ignore")
