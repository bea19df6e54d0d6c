"""Cells and sweeps: keys, resumption, failures, and a Dask cluster whose worker and client are killed."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from damage import damage

from implicit_bayes.benchmarks.sweep import run as sweep
from implicit_bayes.benchmarks.sweep import tasks
from implicit_bayes.benchmarks.sweep.cells import Cell, Store, from_json, in_order, to_json
from implicit_bayes.benchmarks.sweep.slurm import scheduler_command, write_scripts
from implicit_bayes.benchmarks.sweep.tasks import cell
from implicit_bayes.theory import ModelError

ROOT = Path(__file__).resolve().parents[3]


def small(share: float, ks: tuple[int, ...] = (2,)) -> Cell:
    """A real cell that takes a fraction of a second."""
    spec = f"regular:interpolated={share:g}"
    return cell("conditions", {"instance": spec, "true_concept": 0, "ks": list(ks), "seed": 0})


def bad() -> Cell:
    return cell("conditions", {"instance": "no-such-instance", "true_concept": 0, "ks": [2], "seed": 0})


def contents(store: Store, cells: list[Cell]) -> dict[str, xr.Dataset]:
    return {each.key: store.read(each) for each in cells}


def test_a_key_is_of_everything_that_the_result_depends_on():
    first = Cell("conditions", 1, {"a": 1, "b": [1, 2]})
    same = Cell("conditions", 1, {"b": (1, 2), "a": np.int64(1)})
    assert first.key == same.key == from_json(json.loads(json.dumps(to_json(first)))).key
    others = [
        first._replace(task="context"), first._replace(version=2), first._replace(config={"a": 2, "b": [1, 2]}),
        first._replace(needs=(same,)), first._replace(needs=(same._replace(version=2),)),
    ]  # fmt: skip
    assert len({each.key for each in (first, *others)}) == 6


def test_needs_come_first_and_once():
    deep = Cell("conditions", 1, {"x": 0})
    first, second = (Cell("conditions", 1, {"x": x}, (deep,)) for x in (1, 2))
    assert [c.config["x"] for c in in_order([second, first, second])] == [0, 2, 1]


def test_a_rerun_computes_nothing_and_a_changed_config_does(tmp_path, monkeypatch):
    asked = []

    def count(each, store):
        asked.append(each.key)
        return xr.Dataset({"x": ((), each.config["x"])})

    monkeypatch.setitem(tasks.TASKS, "count", tasks.Task(1, count))
    store, cells = Store(tmp_path), [Cell("count", 1, {"x": x}) for x in (1, 2)]
    assert sweep.run_serial(cells, store) == sweep.run_serial(cells, store) == []
    assert len(asked) == 2
    changed = Cell("count", 1, {"x": 3})
    sweep.run_serial([*cells, changed], store)
    assert asked[2:] == [changed.key]
    assert int(store.read(changed).x) == 3
    assert [row.key for row in store.journal()] == asked


def test_a_damaged_cell_is_named_and_a_damaged_journal_costs_an_estimate(tmp_path):
    """Any flipped bit of a cell is found, which HDF5 alone does not promise; lines of the journal are skipped."""
    store, each = Store(tmp_path), Cell("count", 1, {"x": 1})
    store.write(each, xr.Dataset({"x": (("k",), np.linspace(0.0, 1.0, 50))}), 0.0, 2.5)
    whole, found = store.path(each).read_bytes(), store.read(each)
    assert [line.cpu_seconds for line in store.journal()] == [2.5]
    for seed in range(40):
        store.path(each).write_bytes(whole)
        damage(store.path(each), seed)
        if store.path(each).read_bytes() == whole:
            continue
        with pytest.raises(ModelError, match="remove it; the same command computes it again"):
            store.read(each)
    store.path(each).write_bytes(whole)
    for line in ("{}", "[" * 9999 + "}", '{"key": 3}', "\xff}", "{oops}", '{"key": "x", "cpu_seconds": "nan"}'):
        (tmp_path / "journal.jsonl").write_text(line + "\n")
        assert store.journal() == [] and store.read(each).identical(found)


def test_an_interrupted_write_leaves_no_result(tmp_path, monkeypatch):
    store, each = Store(tmp_path), Cell("count", 1, {})
    monkeypatch.setattr(os, "replace", lambda *names: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        store.write(each, xr.Dataset({"x": ((), 1)}), 0.0)
    assert not store.has(each)
    assert not store.journal()
    assert not list((tmp_path / "cells").iterdir())


def test_a_failing_cell_is_reported_and_the_others_finish(tmp_path):
    store, good = Store(tmp_path), small(0.5)
    needy = small(0.25)._replace(needs=(bad(),))
    for run in (sweep.run_serial, lambda cells, store: sweep.run_processes(cells, store, 2)):
        failures = {failure.cell.key: failure for failure in run([needy, good], store)}
        assert set(failures) == {bad().key, needy.key}
        assert "no-such-instance" in failures[bad().key].message
        assert "Traceback" in failures[bad().key].trace
        assert "no-such-instance" in failures[needy.key].message
        assert store.has(good)


def test_processes_give_what_one_process_gives(tmp_path):
    cells = [small(0.2), small(0.4)]
    serial, pool = Store(tmp_path / "serial"), Store(tmp_path / "pool")
    assert sweep.run_serial(cells, serial) == sweep.run_processes(cells, pool, 2) == []
    for key, data in contents(serial, cells).items():
        xr.testing.assert_identical(data, contents(pool, cells)[key])


CLIENT = """
import json, sys
from pathlib import Path
from benchmarks.sweep.cells import Store, from_json
from benchmarks.sweep.run import run_dask, run_serial
cells = [from_json(each) for each in json.load(open(sys.argv[1]))]
if __name__ == "__main__":
    store, where = Store(Path(sys.argv[2])), sys.argv[3]
    sys.exit(len(run_serial(cells, store) if where == "serial" else run_dask(cells, store, where)))
"""


def start(*command: str, cwd: Path) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}
    with (cwd / "log.txt").open("a") as log:
        return subprocess.Popen(command, cwd=cwd, env=environment, stdout=log, stderr=log)


def wait_for(what, seconds: float = 400.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def listening(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((host, port)) == 0


def test_a_killed_worker_and_a_killed_client_lose_and_repeat_nothing(tmp_path):
    """Real scheduler, two real workers, kill -9 of one and then of the client, and a second client that finishes."""
    pytest.importorskip("distributed")
    cells = [small(share, (2, 3, 4)) for share in np.linspace(0.05, 1.0, 30).round(4)]
    store, serial = Store(tmp_path / "dask"), Store(tmp_path / "serial")
    store.directory.mkdir()
    (tmp_path / "cells.json").write_text(json.dumps([to_json(each) for each in cells]))
    (tmp_path / "client.py").write_text(CLIENT)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address, python = f"tcp://127.0.0.1:{port}", sys.executable
    scheduler = [
        python,
        "-m",
        "distributed.cli.dask_scheduler",
        *scheduler_command("127.0.0.1", sweep.NO_TLS, port)[2:],
    ]
    worker = [python, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard",
              "--host", "127.0.0.1"]  # fmt: skip
    client = [python, str(tmp_path / "client.py"), str(tmp_path / "cells.json"), str(store.directory), address]
    alive = [start(*scheduler, cwd=tmp_path)]
    try:
        wait_for(lambda: listening(port))
        workers = [start(*worker, cwd=tmp_path) for _ in range(2)]
        alive += workers
        first = start(*client, cwd=tmp_path)
        alive.append(first)
        wait_for(lambda: first.poll() is not None or store.journal())
        assert first.poll() is None, (tmp_path / "log.txt").read_text()[-3000:]
        workers[0].send_signal(signal.SIGKILL)
        done = len(store.journal())
        wait_for(lambda: len(store.journal()) > done)
        workers[1].send_signal(signal.SIGSTOP)  # however slow this machine is, the client dies with cells left to do
        first.send_signal(signal.SIGKILL)
        first.wait()
        before = store.journal()
        assert 0 < len(before) < len(cells), "killed too late to show anything"
        workers[1].send_signal(signal.SIGCONT)
        second = start(*client, cwd=tmp_path)
        alive.append(second)
        assert second.wait(timeout=400) == 0
    finally:
        for process in alive:
            process.kill()
            process.wait()
    keys = [row.key for row in store.journal()]
    assert sorted(keys) == sorted(each.key for each in cells), "a cell was lost or done twice"
    assert {path.stem for path in (store.directory / "cells").iterdir()} == set(keys)
    alone = start(*client[:3], str(serial.directory), "serial", cwd=tmp_path)
    assert alone.wait(timeout=400) == 0
    for each in cells:
        xr.testing.assert_identical(serial.read(each), store.read(each))


def test_a_scheduler_that_is_not_there_is_bad_input(tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(distributed, "Client", lambda *a, **k: (_ for _ in ()).throw(OSError("refused")))
    with pytest.raises(ModelError, match=r"scheduler: tcp://127\.0\.0\.1:1 does not answer"):
        sweep.run_dask([small(0.5)], Store(tmp_path), "tcp://127.0.0.1:1")


def test_certificates_are_passed_on(tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    seen = {}

    def client(address, security, **rest):
        seen.update(address=address, ca=security.tls_ca_file, encrypted=security.require_encryption)
        seen.update(cert=security.tls_client_cert, key=security.tls_client_key)
        raise OSError("enough seen")

    monkeypatch.setattr(distributed, "Client", client)
    with pytest.raises(ModelError):
        sweep.run_dask([small(0.5)], Store(tmp_path), "tls://127.0.0.1:1", sweep.Tls("ca.pem", "cert.pem", "key.pem"))
    assert seen == {"address": "tls://127.0.0.1:1", "ca": "ca.pem", "cert": "cert.pem", "key": "key.pem",
                    "encrypted": True}  # fmt: skip


def test_the_scheduler_binds_to_loopback_unless_told_otherwise(tmp_path):
    pytest.importorskip("dask_jobqueue")
    serve, worker = write_scripts(tmp_path, "implicit-bayes reproduce all")
    assert "--host 127.0.0.1 " in serve.read_text()
    assert "tcp://127.0.0.1:8786" in worker.read_text()
    assert worker.read_text().startswith("#!/usr/bin/env bash\n\n#SBATCH -J ")
    serve, worker = write_scripts(tmp_path, "x", "10.0.0.5", sweep.Tls("/ca.pem", "/cert.pem", "/key.pem"))
    assert "--host 10.0.0.5 --port 8786 --no-dashboard --protocol tls --tls-ca-file /ca.pem" in serve.read_text()
    for words in ("tls://10.0.0.5:8786", "--tls-ca-file /ca.pem", "--tls-cert /cert.pem", "--tls-key /key.pem"):
        assert words in worker.read_text()


def test_paths_are_words_in_the_scripts_and_what_cannot_be_one_is_refused(tmp_path):
    out = tmp_path / "a b[1] $(touch x) 5%x 'q'"
    serve, worker = write_scripts(out, "implicit-bayes reproduce all")
    logs = [line.split(" ", 2)[2] for line in worker.read_text().splitlines() if line.startswith("#SBATCH -e")]
    assert [shlex.split(line) for line in logs] == [[f"{out}/slurm/logs/dask-worker-%J.err".replace("5%x", "5%%x")]]
    assert shlex.quote(str(out / "slurm" / "worker.sh")) in serve.read_text()
    for arguments, field in (
        ((tmp_path / "a\n#SBATCH --evil", "x"), "out"),
        ((tmp_path, "x", "a; rm -rf b"), "host"),
        ((tmp_path, "x", "h", sweep.Tls("/c a.pem", "/b", "/c")), "tls_ca"),
    ):
        with pytest.raises(ModelError, match=f"^{field}: ") as refused:
            write_scripts(*arguments)
        assert "\n" not in str(refused.value)
