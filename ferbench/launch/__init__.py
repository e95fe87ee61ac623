"""A list of runs, and who runs them: this process, processes of this machine, Slurm.

A :class:`~ferbench.launch.cells.Cell` is one run. A launcher takes cells and tells how each ended; it keeps nothing that a second start
would need, because a run's record is found by what went into it.
"""
