"""Subscriptions without I/O: subscriber and notifier (RFC 6665)."""
