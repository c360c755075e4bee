"""A referee for the engine: the query language by brute force, written without the engine.

Nothing here imports the package under test. ``ast`` is a query as data, ``render`` its SQL text,
``evaluate`` its answer row by row, ``draw`` and ``strategies`` make collections and queries at
random, ``compare`` holds an engine's table against the answer.
"""
