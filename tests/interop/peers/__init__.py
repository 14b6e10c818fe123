"""Real programs as peers of wic; each is started and stopped by the test that uses it."""
