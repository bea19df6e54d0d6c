"""Scripts for a Slurm cluster: the workers' by dask-jobqueue, and the command that starts their scheduler.

Nothing is submitted. The scheduler binds to loopback unless a host is named.
"""

import re
import shlex
from pathlib import Path

from implicit_bayes.benchmarks.common.extras import need
from implicit_bayes.benchmarks.sweep.run import Tls
from implicit_bayes.simulators.atomic import written_aside
from implicit_bayes.theory import ModelError

PORT = 8786
HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*|\[[0-9a-fA-F:.]+\]")


def scheduler_command(host: str, tls: Tls, port: int = PORT) -> list[str]:
    """``dask scheduler``, bound to ``host`` only, without its dashboard.

    Args:
        host: name or address that nodes reach.
        tls: certificates; without an authority the scheduler speaks plain TCP.
        port: of the scheduler.

    Returns:
        The words of the command.
    """
    protocol = ["--protocol", "tls"] if tls.authority else []
    return ["dask", "scheduler", "--host", host, "--port", str(port), "--no-dashboard", *protocol, *_tls(tls)]


def _tls(tls: Tls) -> list[str]:
    named = (("--tls-ca-file", tls.authority), ("--tls-cert", tls.certificate), ("--tls-key", tls.key))
    return [word for flag, path in named if path for word in (flag, path)]


def write_scripts(out: Path, command: str, host: str = "127.0.0.1", tls: Tls = Tls()) -> list[Path]:  # noqa: B008
    """DIR/slurm/scheduler.sh and DIR/slurm/worker.sh.

    Args:
        out: DIR, on a file system that the nodes share.
        command: the reproduce command that is to use them, for the scripts' comments.
        host: address that the scheduler binds to and the workers call.
        tls: certificates, passed on to both.

    Returns:
        Paths of both scripts.

    Raises:
        ModelError: dask-jobqueue is not installed, or a name that no script can hold as a word.
    """
    _check_words(out, host, tls)
    need("dask_jobqueue", "slurm")
    from dask_jobqueue.slurm import SLURMJob
    from distributed.security import Security

    scheme = "tls" if tls.authority else "tcp"
    security = None
    if tls.authority:
        security = Security(tls_ca_file=tls.authority, tls_worker_cert=tls.certificate, tls_worker_key=tls.key,
                            require_encryption=True)  # fmt: skip
    job = SLURMJob(
        scheduler=f"{scheme}://{host}:{PORT}", name="implicit-bayes", cores=1, processes=1, memory="4GB",
        walltime="12:00:00", nanny=True, protocol=f"{scheme}://", security=security,
        job_script_prologue=['export XLA_FLAGS="--xla_cpu_multi_thread_eigen=false" NPROC=1 OMP_NUM_THREADS=1'],
        log_directory=str(out / "slurm" / "logs"),
    )  # fmt: skip
    worker = shlex.quote(str(out / "slurm" / "worker.sh"))
    serve = "\n".join([
        "#!/usr/bin/env bash",
        f"# Start this where the nodes can reach {host}, then: sbatch {worker}  (once a worker)",
        f"# then: {command} --scheduler {scheme}://{host}:{PORT}",
        "exec " + shlex.join(scheduler_command(host, tls)),
        "",
    ])  # fmt: skip
    written = []
    for name, text in (("scheduler.sh", serve), ("worker.sh", _quoted(job.job_script()))):
        path = out / "slurm" / name
        with written_aside(path) as file:
            file.write(text)
        path.chmod(0o755)
        written.append(path)
    (out / "slurm" / "logs").mkdir(exist_ok=True)
    return written


def _check_words(out: Path, host: str, tls: Tls) -> None:
    """A line end in a path would begin a new line of the script, and dask-jobqueue quotes nothing."""
    if not str(out).isprintable():
        raise ModelError(f"out: {str(out)!r} cannot stand in a script; name a directory without line ends")
    if not HOST.fullmatch(host):
        raise ModelError(f"host: {host[:80]!r} is no name or address of a machine")
    for field, path in (("tls_ca", tls.authority), ("tls_cert", tls.certificate), ("tls_key", tls.key)):
        if path and shlex.quote(path) != path:
            words = "cannot stand in a Slurm script as it is; link it to a path without spaces and quotes"
            raise ModelError(f"{field}: {path!r} {words}")


def _quoted(script: str) -> str:
    """The script with the places of its logs as words; % is a pattern to sbatch, but for dask-jobqueue's own %J."""

    def quote(match: re.Match[str]) -> str:
        path, pattern, ending = match["path"].rpartition("-%J.")
        return match["flag"] + shlex.quote(path.replace("%", "%%") + pattern + ending)

    return re.sub(r"^(?P<flag>#SBATCH -[eo] )(?P<path>.*)$", quote, script, flags=re.M)
