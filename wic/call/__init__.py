"""The INVITE session as a usage of SIP, without I/O (TS 24.371 §7)."""
