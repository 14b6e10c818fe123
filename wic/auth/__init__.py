"""Authentication without I/O: challenges, SIP Digest."""
