"""The files in the folder of a run.

    inside         their names, and the only access to them
    location       where the folder lies, and who may write to it
    manifest       manifest.json and encoding.json;  schema, checking  what they may say
    describing     a plan as JSON, and back
    environment    the machine, versions and code, on which bits depend
    events         events.sqlite
    snapshots      states, as safetensors
    stored         the data: hashes, copies, files mapped into memory

Doors: `describing`, `environment`, `events`, `inside`, `location`, `manifest`, `snapshots`, `stored`.
Readers trust nothing: a run may come from a stranger. Imports go to `training`, `plan` and below, and to
`pipeline` for the names that the schema knows.
"""
