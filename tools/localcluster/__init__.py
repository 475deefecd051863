"""All of Tickwheel's server parts on this machine, each a process of its own, on real engines.

Here belongs starting, breaking and ending the parts, for ``make cluster``, for tests and for
drills. What they then have to prove belongs to those.
"""

from background.wait import NotReadyError

from localcluster.cluster import LocalCluster
from localcluster.layout import Size

__all__ = ["LocalCluster", "NotReadyError", "Size"]
