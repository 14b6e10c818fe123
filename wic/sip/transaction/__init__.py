"""Transactions without I/O: state tables, client and server machines, the layer (RFC 3261 §17)."""
