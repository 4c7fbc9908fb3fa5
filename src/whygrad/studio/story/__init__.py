"""One step of backpropagation in slow motion, frame by frame, as data.

Doors: `motion`, `story`. `story` is what a step is told from; `story_forward`, `story_backward` and
`story_update` make its frames, `story_equations` their equations, and `phrases` their words. May import
`why` and what is below it.
"""
