"""Results and methods handed on: bundles to a results repository, methods and boards to the Hub, and back."""
