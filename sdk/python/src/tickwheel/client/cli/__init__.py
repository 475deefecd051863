"""The command line `tickwheel`: the client's own commands, and those that other distributions add.

Modules imported at start-up import neither gRPC nor rich: `tickwheel --help` has to be quick, so a
command imports what it needs when it runs. Here is nothing a program would call: that is in
`tickwheel.client`.
"""

from tickwheel.client.cli.app import main

__all__ = ["main"]
