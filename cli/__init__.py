"""The command line of wic: the only place that prints."""
