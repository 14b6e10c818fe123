"""What WWSF and WAF share: an HTTPS server, pages, forms, cookies, counting of attempts, a database file."""
