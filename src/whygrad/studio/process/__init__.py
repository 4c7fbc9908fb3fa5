"""Trainings as processes of their own, started, paused and stepped from the page.

Doors: `worker`, `live` and `control`. `worker` is a training seen from the page, `training_process` the
process itself, `control` obeys commands within it, and `live` hands over the freshest state. May import
`record` and what is below it.
"""
