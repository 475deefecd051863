"""Full resource names from what was typed. Whether their parts are right is the api's to say."""

import typer


def owner_name(user: str) -> str:
    """`users/{user}`."""
    return f"users/{user}"


def job_name(job: str, user: str) -> str:
    """`users/{user}/jobs/{job}` from a full name, which is taken as it is, or an id."""
    if job.startswith("users/"):
        return job
    if "/" in job:
        raise typer.BadParameter(
            f"{job!r} is neither a full name (users/7/jobs/nightly) nor an id (nightly)",
            param_hint="JOB",
        )
    return f"users/{user}/jobs/{job}"


def run_name(run: str, user: str) -> str:
    """`users/{user}/jobs/{job}/runs/{run}` from a full name or from `{job}/runs/{run}`."""
    if run.startswith("users/"):
        return run
    job, slash_runs, run_id = run.partition("/runs/")
    if not slash_runs:
        raise typer.BadParameter(
            f"{run!r} is neither a full name (users/7/jobs/nightly/runs/20261123T120000000Z) "
            "nor one without the user (nightly/runs/20261123T120000000Z)",
            param_hint="RUN",
        )
    return f"{job_name(job, user)}/runs/{run_id}"
