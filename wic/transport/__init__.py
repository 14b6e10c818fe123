"""Shells that carry SIP: WebSocket, UDP, TCP and TLS."""
