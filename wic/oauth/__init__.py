"""OAuth 2.0 as its client, its authorization server and its resource servers share it.

All modules are values and functions without I/O, clock and random source, but for `http`, the one HTTP client, and
`server_log`, the log of HTTP servers.
"""
