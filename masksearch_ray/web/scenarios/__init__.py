"""Guided pages: a classifier debugged, attacked images found, a model held against people."""
