"""The web server: on this machine alone, for who has its token, with checked requests and confined paths.

Doors: `door`, `serving`, `application`, and `guard` for paths. `door` listens and tells the address,
`serving` runs a `site` under uvicorn, which is the stage first and NiceGUI's `application` as soon as that
is loaded, and `guard` refuses strangers (`entry`), foreign requests, large and slow ones (`connections`),
and paths that lead out of the folder. It knows neither page nor session: both are handed to it.
"""
