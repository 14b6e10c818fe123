"""Command line of wic; no other package prints."""
