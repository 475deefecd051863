"""Resource names whose form the contract's rules have checked, taken apart (AIP-122)."""

from tickwheel.server.domain.names import JobName, RunName


def user_of(name: str) -> str:
    """`{user}` of any name that begins with `users/{user}`; `-` for all."""
    return name.split("/", 2)[1]


def job_name(name: str) -> JobName:
    """The job of `users/{user}/jobs/{job}`, also with more behind it."""
    parts = name.split("/", 4)
    return JobName(parts[1], parts[3])


def run_name(name: str) -> RunName:
    """The run of `users/{user}/jobs/{job}/runs/{run}`."""
    return RunName(job_name(name), name.rsplit("/", 1)[1])
