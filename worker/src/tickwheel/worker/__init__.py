"""The worker: takes assignments over a stream and publishes each at its instant. Never imports the server."""
