"""The web server, on this machine alone, with checked requests and confined paths.

Doors: `serving`, and `guard` for paths. `serving` runs NiceGUI under uvicorn, and `guard` refuses foreign
requests, large ones, and paths that lead out of the folder. It knows neither page nor session: both are
handed to it.
"""
