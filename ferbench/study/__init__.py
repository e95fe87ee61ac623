"""Studies: what a trained run does when faces change in one way at a time. They read runs, and change none."""
