"""The catch-up drill: `tickwheel dev` is away for a while, under jobs with each catch-up setting.

The jobs and what is to become of them are pure; one module carries the drill out.
"""
