"""From a query to what shards do: strategy, sources of bounds, prediction, EXPLAIN."""
