"""A referee for the engine: the query language by brute force, written without the engine.

Nothing here imports the package under test.

- ``ast`` is a query as data, ``render`` its SQL text.
- ``evaluate`` answers it row by row; ``resolve`` is what names and clauses mean, ``scalars`` what
  operators mean, ``pixels`` what regions, counts and mask aggregates mean.
- ``strategies`` draws cases at random, by Hypothesis or by a seed; the ``make_*`` modules are how.
- ``compare`` holds an engine's table against the answer.
"""
