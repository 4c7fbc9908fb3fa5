"""The web server: on this machine alone, for who has its token, with checked requests and confined paths.

Doors: `door`, `serving`, and `guard` for paths. `door` listens and tells the address, `serving` runs
NiceGUI under uvicorn, and `guard` refuses strangers (`entry`), foreign requests, large and slow ones
(`connections`), and paths that lead out of the folder. It knows neither page nor session: both are handed
to it.
"""
