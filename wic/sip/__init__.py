"""SIP without I/O: messages, transactions, dialogs, the proxy core (RFC 3261 and its updates)."""
