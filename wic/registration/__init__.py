"""Registration as a usage of SIP, without I/O (TS 24.229 §5.1.1)."""
