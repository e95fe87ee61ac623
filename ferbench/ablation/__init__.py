"""A method's tables, run again: rows from the paper or from a grid of parts, each a run like any other, measured beside printed."""
