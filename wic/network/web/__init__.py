"""HTTPS servers of WAF and WWSF: listener, pages, forms, cookies, limits for guessing, database file."""
