"""The command line. The verbs' modules become names of this package (``list`` among them), so nothing else lives here."""

from ferbench.cli.top import main

__all__ = ["main"]
