"""The api: JobService from the wire to the ports, and the gRPC server that carries it.

Middleware, then handler (check the request's form), then command (what it means), then port. No
driver, and nothing that decides when a job fires, belongs here.
"""
