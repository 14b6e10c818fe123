"""Subscription to the state of registrations (RFC 3680), without I/O."""
