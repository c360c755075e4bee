"""Where shards run: workers, the coordinator, and the runtimes that join them."""
