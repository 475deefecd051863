"""Programs that run in the background: started, known again by a file, watched and ended.

Nothing here knows which program it is; engines and the local cluster are built on it. Standard
library and Linux only.
"""
