"""Predictions and task losses that come with ferbench."""
