"""A Slurm of one node for the length of a with-block, from Debian's packages: no root, no munge, no database, nothing outside its folder.

By hand: ``python tests/slurm_up.py FOLDER`` keeps one up until Ctrl-C, and prints what to export.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NEEDED = ("slurmctld", "slurmd", "sbatch", "squeue", "srun", "scontrol")
CONF = """\
ClusterName=ferbench
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobRequeue=1
SchedulerParameters=batch_sched_delay=0
SlurmctldParameters=preempt_send_user_signal
SlurmdParameters=config_overrides
SlurmctldPidFile={folder}/ctld.pid
SlurmdPidFile={folder}/d.pid
SlurmdSpoolDir={folder}/d
StateSaveLocation={folder}/ctld
SlurmctldLogFile={folder}/ctld.log
SlurmdLogFile={folder}/d.log
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=10
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""


def lacking() -> str:
    """Why no Slurm can be brought up here; empty where one can."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [name for name in NEEDED if shutil.which(name, path=path) is None]
    return f"no {', '.join(missing)} (apt-get install slurmctld slurmd slurm-client)" if missing else ""


@contextmanager
def slurm(folder: Path) -> Iterator[dict[str, str]]:
    """What its clients need in their environment. Raises RuntimeError, with the end of the logs, when it does not come up."""
    for name in ("d", "ctld"):
        (folder / name).mkdir(parents=True)
    conf = folder / "slurm.conf"
    user, host, cpus = getpass.getuser(), socket.gethostname().partition(".")[0], os.cpu_count()
    conf.write_text(CONF.format(folder=folder, user=user, host=host, cpus=cpus, ports=(_free_port(), _free_port())))
    environment = {"SLURM_CONF": str(conf), "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    everything = {**os.environ, **environment}
    daemons = [subprocess.Popen([name, "-D", "-f", str(conf)], env=everything, stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for name in ("slurmctld", "slurmd")]  # fmt: skip
    try:
        _wait_until_idle(everything, folder)
        yield environment
    finally:
        subprocess.run(["scancel", "--user", user], env=everything, check=False, capture_output=True)
        time.sleep(0.5)
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()


def _wait_until_idle(environment: dict[str, str], folder: Path) -> None:
    for _ in range(150):
        asked = subprocess.run(["sinfo", "-h", "-o", "%T"], env=environment, capture_output=True, text=True, check=False)
        if "idle" in asked.stdout:
            return
        time.sleep(0.2)
    logs = [path.read_text(errors="replace")[-600:] for path in (folder / "ctld.log", folder / "d.log") if path.is_file()]
    raise RuntimeError("\n".join(["no node became idle", asked.stdout + asked.stderr, *logs]))


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


if __name__ == "__main__":
    with slurm(Path(sys.argv[1]).resolve()) as told:
        print("\n".join(f"export {key}={value}" for key, value in told.items()), flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            pass
