"""Frozen records and small protocols that cross rooms."""
