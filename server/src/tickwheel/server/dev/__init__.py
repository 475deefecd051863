"""Dev mode: every part in one process on the embedded engine, with the gateway as its child."""
