"""Real programs that wic is tried against; each is started and stopped by the test that needs it."""
