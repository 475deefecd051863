"""Tests of the executor, against a stand-in of the server's side, on both real logs."""
