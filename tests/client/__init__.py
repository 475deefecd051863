"""Tests of tickwheel.client against a stand-in for the api, over real gRPC."""
