"""The api and the scheduler: what a cluster runs; neither worker nor SDK imports it."""
