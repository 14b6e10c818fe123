"""Access tokens of a client: ways to get one, the store on the disk, and the renewal before it expires."""
