"""Making `gen/` from `api/proto`, and checking that it is current and breaks no client.

Here belong the generators, their pins and the plugin of our own; nothing here runs in the product.
"""
