"""Pure execution: decide from bounds, ask for what is in doubt, verify, merge. No I/O."""
