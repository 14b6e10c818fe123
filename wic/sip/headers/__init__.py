"""Typed values of SIP header fields, one kind a file."""
