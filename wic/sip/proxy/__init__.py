"""The stateful proxy core without I/O (RFC 3261 §16)."""
