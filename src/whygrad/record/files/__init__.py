"""What lies in the folder of a run, file by file: the database of events, snapshots, manifest, data.

Readers trust nothing: a run may come from a stranger.
"""
