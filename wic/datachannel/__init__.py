"""Protocols over data channels, and MSRP in their place on Mw, without I/O."""
