"""What the page is about, without a browser: networks, runs and answers.

Doors: `session`, `subject`, `questions`, `asking`, `scoring`, `controls`, `opened_run`, `runs`, `feed`,
`uploads`. A session holds a `ModelConfig` (a training that has not begun), an `OpenedRun`, and the process
that trains. A `Subject` is the network of either at one step, with the examples; `questions` asks it why,
`asking` waits for what takes long, `scoring` measures it over a training, `controls` says what can be done
to it, `feed` sends its states to the stage, the first ones `ahead` of a run, `uploads` keeps tables and
networks, and `runs` lists, renames and deletes what is recorded. May import `process`, `film`,
`server.guard`, and what is below the studio.
"""
