"""The worker: takes assignments over streams and publishes each at its instant.

Decisions are pure and live in `core` and the modules it is made of; `runtime` carries them out.
Nothing here imports the server.
"""
