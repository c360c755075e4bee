"""Compiled loops over pixels and counts: arrays in, arrays out."""
