"""The example plugin's own tests run where it is installed: test_example_plugin.py does that."""

collect_ignore = ["example_plugin"]
