"""What may have happened to a run that comes from elsewhere: damages, drawn by a number.

Each takes the run's folder, a folder outside of it and a source of chance. Those in `FORGED` put all
checksums right again: such a run is another one, as its author wanted it, and may say other things, but
nothing that breaks.
"""

import json
import os
import shutil
import sqlite3
from contextlib import closing, suppress

from damaging import rewrite, sql
from whygrad.files import sha256
from whygrad.record.files import events, manifest

FILES = [
    "manifest.json",
    "encoding.json",
    "model.safetensors",
    "events.sqlite",
    "snapshots/000000000.safetensors",
    "snapshots/*",
    "data/training_X.npy",
    "data/training_y.npy",
]
DEEP = "[" * 50_000 + "]" * 50_000
DEEP_OBJECTS = '{"a":' * 50_000 + "1" + "}" * 50_000
OWN = ("notes.txt", "snapshots/notes.txt", "snapshots/best.safetensors", "data/more.npy", ".mine")
VALUES = [None, True, -1, 0, 0.5, 3, 10**30, 1e308, "", "relu", "x" * 999, "../../x", "/etc/passwd"]
VALUES += [[], [[]], ["training"], {}, {"name": "Adam"}, {"float": "inf"}, {"float": []}]
VALUES += ["\u202e\x1b[31m", "\ud800"]


def flip(path, chance, times=1):
    """Flip single bits of a file."""
    content = bytearray(path.read_bytes())
    for _ in range(times):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def scramble(path, chance):
    """Cut a file, empty a stretch of it, fill one with chance, double one, or all of it."""
    content = bytearray(path.read_bytes())
    at = chance.randrange(len(content))
    length = chance.choice([1, 16, 512, 4096])
    how = chance.randrange(6)
    if how == 0:
        content = content[:at]
    elif how == 1:
        content[at : at + length] = bytes(len(content[at : at + length]))
    elif how == 2:
        content[at : at + length] = chance.randbytes(len(content[at : at + length]))
    elif how == 3:
        content[at:at] = content[at : at + length]
    elif how == 4:
        other = chance.randrange(len(content))
        content[at : at + length] = content[other : other + length]
    else:
        content = bytearray(chance.choice([b"", b"{}", b"[]", b"null", b"\xff" * 99]))
    path.write_bytes(content)


def file_of(run, chance, names=FILES):
    return chance.choice([file for name in names for file in sorted(run.glob(name))])


def places(value, path=()):
    """Return the ways to all values in JSON."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, key))


def edit(about, chance):
    """Remove a key, give it another value, or take one from elsewhere."""
    ways = list(places(about))
    *way, last = chance.choice(ways)
    inner = about
    for key in way:
        inner = inner[key]
    how = chance.randrange(4)
    if how == 0:
        del inner[last]
    elif how == 1:
        *other, end = chance.choice(ways)
        found = about
        with suppress(KeyError, IndexError, TypeError):
            for key in other:
                found = found[key]
            inner[last] = json.loads(json.dumps(found[end]))
    elif how == 2 and isinstance(inner, dict):
        inner[chance.choice(["new", "own", "float", "name", "parent", "left_out"])] = chance.choice(
            VALUES
        )
    else:
        inner[last] = chance.choice(VALUES)


def edited(name):
    def damage(run, outside, chance):
        about = json.loads((run / name).read_text())
        edit(about, chance)
        (run / name).write_text(json.dumps(about))

    return damage


def seal(run, *names):
    """Put right what a manifest says of its files and of itself, and what the database says of it."""
    about = json.loads((run / manifest.NAME).read_text())
    with suppress(Exception):  # it may be too far from a manifest to be put right
        for name in names:
            about["files"][name] = sha256((run / name).read_bytes())
        about[manifest.DIGEST] = manifest.digest(about)
        (run / manifest.NAME).write_text(json.dumps(about))
        digest = manifest.plan_digest(about)
        rewrite(run, "stages", about=lambda text: json.dumps(json.loads(text) | {"plan": digest}))


def forged_manifest(run, outside, chance):
    for _ in range(chance.choice([1, 1, 2])):
        edited("manifest.json")(run, outside, chance)
    seal(run)


def forged_encoding(run, outside, chance):
    edited("encoding.json")(run, outside, chance)
    seal(run, "encoding.json")


def odd_json(run, outside, chance):
    """JSON as no program writes it."""
    path = run / chance.choice(["manifest.json", "encoding.json"])
    text = path.read_text()
    at = text.index(": ", chance.randrange(len(text) // 2)) + 2
    inner = chance.choice([DEEP, DEEP_OBJECTS, "9" * 5_000, "NaN", "-Infinity", "1e999"])
    odd = [
        text[:at] + inner + "," + text[at:],
        text.replace(": ", f": {inner}, {json.dumps(text[2:9])}: ", 1),
        '{"format": "whygrad run", ' + text.lstrip()[1:],
        "\ufeff" + text,
    ]
    which = chance.randrange(6)
    encoded = odd[which].encode() if which < 4 else text.encode(["utf-16", "utf-32"][which - 4])
    path.write_bytes(encoded)
    if chance.random() < 0.5 and path.name == "encoding.json":
        seal(run, path.name)


def flipped(name, times):
    return lambda run, outside, chance: flip(file_of(run, chance, [name]), chance, times)


def scrambled(run, outside, chance):
    scramble(file_of(run, chance), chance)


def rows_gone(run, outside, chance):
    table, most = chance.choice(list(events.COLUMNS)), chance.randrange(99)
    last = f"(SELECT {most} % (1 + max(rowid)) FROM {table})"
    sql(run, f"DELETE FROM {table} WHERE rowid >= {last}")


def row_changed(run, outside, chance):
    table = chance.choice(list(events.COLUMNS))
    column = chance.choice([*events.COLUMNS[table], "checksum"])
    value = chance.choice(
        ["NULL", "1", "'x'", "x'00'", "2.5", "-7", f"{column} + 1", f"hex({column})"]
    )
    with suppress(sqlite3.IntegrityError):
        sql(run, f"UPDATE {table} SET {column} = {value}")


def forged_rows(run, outside, chance):
    table = chance.choice(list(events.COLUMNS))
    column = chance.choice(list(events.COLUMNS[table])[1:])
    choices = [
        b"",
        b"\0" * 8,
        0,
        -1,
        2**62,
        2.5,
        "x",
        "",
        "{}",
        "[1]",
        "null",
        DEEP,
        "../../x",
        "9" * 5000,
    ]
    choices += ['{"epochs": 1e999}', '{"cost": "x", "rate": 1}', "\x1b[31m"]
    value = chance.choice(choices)
    if isinstance(value, float):  # which has no checksum of ours
        value = str(value)
    rewrite(run, table, counted=chance.random() < 0.8, **{column: value})


def forged_epochs(run, outside, chance):
    def changed(text):
        about = json.loads(text)
        edit(about, chance)
        return json.dumps(about)

    rewrite(run, chance.choice(["epochs", "stages"]), about=changed)


STATEMENTS = [
    "CREATE VIEW more AS SELECT 1",
    "CREATE TRIGGER t AFTER DELETE ON ended BEGIN DELETE FROM epochs; END",
    "CREATE INDEX i ON epochs (step)",
    "CREATE TABLE more (x)",
    "CREATE VIRTUAL TABLE more USING fts4(x)",
    "ALTER TABLE epochs ADD COLUMN more AS (step + 1)",
    "ALTER TABLE epochs RENAME TO other",
    "ALTER TABLE stages ADD COLUMN more TEXT DEFAULT 'x'",
    "DROP TABLE ended",
    "DROP TABLE chunks; CREATE VIEW chunks AS WITH RECURSIVE r(first) AS "
    "(SELECT 0 UNION ALL SELECT first + 1 FROM r) SELECT first, 1 AS steps, x'00' AS costs, "
    "x'' AS watched, x'' AS statistics, 1 AS checksum FROM r",
    "DROP TABLE epochs; CREATE VIEW epochs AS WITH RECURSIVE r(epoch) AS "
    "(SELECT 1 UNION ALL SELECT epoch + 1 FROM r) SELECT epoch, 1 AS step, '{}' AS about, "
    "1 AS checksum FROM r",
    "PRAGMA writable_schema = 1; UPDATE sqlite_master SET rootpage = 2; PRAGMA writable_schema = 0",
    "PRAGMA writable_schema = 1; UPDATE sqlite_master SET sql = sql || ' WITHOUT ROWID'",
]


def other_tables(run, outside, chance):
    with closing(sqlite3.connect(run / events.NAME)) as db, suppress(sqlite3.Error):
        db.executescript(chance.choice(STATEMENTS))


def endless_pages(run, outside, chance):
    """Make inner pages of a table of which all cells lead on to the next one, twenty deep."""
    path = run / events.NAME
    content = bytearray(path.read_bytes())
    size = int.from_bytes(content[16:18], "big")
    size = 65536 if size == 1 else size
    with closing(sqlite3.connect(path)) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'chunks'").fetchone()
    first, depth, cells = len(content) // size + 1, 15, 60
    inner = []
    for level in range(depth):
        page = bytearray(size)
        child = first + level + 1 if level < depth - 1 else root + 1
        page[0] = 5
        page[3:5] = cells.to_bytes(2, "big")
        page[5:7] = (size - 5 * cells).to_bytes(2, "big")
        page[8:12] = child.to_bytes(4, "big")
        for i in range(cells):
            at = size - 5 * (i + 1)
            page[12 + 2 * i : 14 + 2 * i] = at.to_bytes(2, "big")
            page[at : at + 5] = child.to_bytes(4, "big") + bytes([i + 1])
        inner.append(bytes(page))
    content[(root - 1) * size : root * size] = inner[0]
    content += b"".join(inner)
    content[28:32] = (len(content) // size).to_bytes(4, "big")
    path.write_bytes(content)


def super_journal(run, outside, chance):
    """Leave a journal that names a file elsewhere, which SQLite would remove after it has rolled back."""
    name = str(outside / "journal").encode()
    head = bytes.fromhex("d9d505f920a163d7") + bytes(20)
    total = sum(name) & 0xFFFFFFFF
    tail = (1).to_bytes(4, "big") + name + len(name).to_bytes(4, "big") + total.to_bytes(4, "big")
    content = head.ljust(512, b"\0") + tail + bytes.fromhex("d9d505f920a163d7")
    (run / "events.sqlite-journal").write_bytes(content)


def forged_metadata(run, outside, chance):
    """A model whose metadata are as no program writes them."""
    path = run / "model.safetensors"
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    about = header["__metadata__"]
    key = chance.choice(list(about))
    inner = json.loads(about[key]) if about[key].startswith("{") else {}
    if inner and chance.random() < 0.5:
        edit(inner, chance)
        about[key] = json.dumps(inner)
    else:
        odd = [
            DEEP,
            "9" * 5000,
            "NaN",
            "{",
            '{"layers": 1}',
            '{"epochs": [{}]}',
            "٣",
        ]
        about[key] = chance.choice(odd)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + size :])
    seal(run, path.name)


def forged_state(run, outside, chance):
    """A state whose arrays or counters are another training's."""
    from safetensors.numpy import load, save

    from whygrad.record.files import snapshots

    path = file_of(run, chance, ["snapshots/*"])
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    about = json.loads(content[8 : 8 + size])["__metadata__"]
    tensors = load(content)
    state = json.loads(about["state"])
    if chance.random() < 0.5:
        name = chance.choice(list(tensors))
        old = tensors[name]
        tensors[name] = chance.choice([old[..., :-1], old.astype("float16"), old[None]]).copy()
    else:
        edit(state, chance)
    text = chance.choice([json.dumps(state)] * 4 + ["[" * 50_000, "[]", '{"step": 1}'])
    checksum = str(snapshots.checksum_of(text, tensors))
    path.write_bytes(save(tensors, about | {"state": text, "checksum": checksum}))
    digest = sha256(path.read_bytes())
    rewrite(run, "snapshots", f"WHERE step = {int(path.stem)}", sha256=digest)


def gone(run, outside, chance):
    file_of(run, chance).unlink()


def swapped(run, outside, chance):
    one, two = file_of(run, chance), file_of(run, chance)
    content = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(content)


def linked(run, outside, chance):
    """A link in a file's place, to its copy or to something else outside, or to nothing."""
    path = file_of(run, chance)
    target = chance.choice([outside / "copy", outside / "note.txt", outside / "nothing"])
    if target.name == "copy":
        shutil.copy(path, target)
    path.unlink()
    path.symlink_to(target)


def linked_folder(run, outside, chance):
    """A link in a folder's place, to one outside that holds files of the user's with names like a run's."""
    name = chance.choice(["snapshots", "data"])
    shutil.copytree(run / name, outside / name)
    (outside / name / "000000001.safetensors").write_text("mine")
    (outside / name / f".000000001.safetensors.{'a' * 32}").write_text("mine")
    shutil.rmtree(run / name)
    (run / name).symlink_to(outside / name)


def hard_linked(run, outside, chance):
    os.link(run / events.NAME, outside / "hard")


def pipe(run, outside, chance):
    names = [
        *FILES,
        "events.sqlite-wal",
        "events.sqlite-shm",
        "events.sqlite-journal",
        "live.safetensors",
    ]
    path = run / chance.choice([name for name in names if "*" not in name])
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def folder(run, outside, chance):
    path = file_of(run, chance)
    path.unlink()
    path.mkdir()


def path_in_rows(run, outside, chance):
    """A state that the database says lies outside."""
    note = "outside/note.txt"
    where = chance.choice([f"../{note}", str(outside / "note.txt"), f"snapshots/../../{note}"])
    rewrite(run, "snapshots", path=where)


def data_elsewhere(run, outside, chance):
    """A table or arrays that the manifest says are a pipe, a device, or a folder."""
    about = json.loads((run / manifest.NAME).read_text())
    pipe = outside / "pipe"
    os.mkfifo(pipe)
    path = chance.choice([str(pipe), "/dev/zero", str(outside), "/nothing/at/all.csv", "\0"])
    about["data"]["copied"] = chance.random() < 0.5
    if chance.random() < 0.5:
        about["data"] |= {"kind": "file", "path": path}
    else:
        place = {"path": path, "offset": 0, "dtype": "<f4", "shape": [about["n"], 2]}
        about["data"] |= {"kind": "mapped", "places": {"X": place, "y": place}}
        about["data"].pop("path", None)
    for name in ("name", "seed"):
        about["data"].pop(name, None)
    (run / manifest.NAME).write_text(json.dumps(about))
    seal(run)


def own_files(run, outside, chance):
    """Files of the user's own, which stay."""
    for name in OWN:
        (run / name).write_text("mine")
    (run / "snapshots" / "mine").mkdir()


def half_written(run, outside, chance):
    """What a kill may leave."""
    for name in (".manifest.json", "snapshots/.000000007.safetensors"):
        (run / f"{name}.{'b' * 32}").write_bytes(b"half")
    (run / "snapshots" / "000000007.safetensors").write_bytes(b"half")
    (run / "live.safetensors").write_bytes(b"half")


HONEST = {
    "manifest edited": edited("manifest.json"),
    "manifest flipped": flipped("manifest.json", 1),
    "encoding edited": edited("encoding.json"),
    "encoding flipped": flipped("encoding.json", 1),
    "database flipped": flipped("events.sqlite", 1),
    "database flipped often": flipped("events.sqlite", 20),
    "snapshot flipped": flipped("snapshots/*", 1),
    "model flipped": flipped("model.safetensors", 1),
    "data flipped": flipped("data/*", 1),
    "scrambled": scrambled,
    "rows gone": rows_gone,
    "row changed": row_changed,
    "other tables": other_tables,
    "endless pages": endless_pages,
    "super-journal": super_journal,
    "gone": gone,
    "swapped": swapped,
    "linked": linked,
    "linked folder": linked_folder,
    "hard linked": hard_linked,
    "pipe": pipe,
    "folder": folder,
    "own files": own_files,
    "half written": half_written,
    "odd JSON": odd_json,
}
FORGED = {
    "manifest forged": forged_manifest,
    "encoding forged": forged_encoding,
    "rows forged": forged_rows,
    "epochs forged": forged_epochs,
    "metadata forged": forged_metadata,
    "state forged": forged_state,
    "path in rows": path_in_rows,
    "data elsewhere": data_elsewhere,
}
DAMAGES = HONEST | FORGED
