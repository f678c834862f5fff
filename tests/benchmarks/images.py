"""The images: how large they are and how fast they start. `make bench ARGS=--images`, after `make images`.

Belongs here: from `docker run` to /readyz, on a local control plane. Does not belong here: pulling an image, and the
kubelet, which looks at a probe once a second.
"""

import json
import os
import socket
import statistics
import subprocess
import tempfile
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure, plain
from benchmarks.sending import BenchFailed
from builders.crds import apply_crds
from talkdesk_sandbox.controlplane import Cluster, ControlPlane

__all__ = ["measure"]

_PROGRAMS: Final = ("operator", "webhook")
_STARTS: Final = 5
_WITHIN: Final = 60.0
_PROJECT: Final = Path(__file__).parents[2] / "pyproject.toml"


def measure() -> list[Figure]:
    """Measure the images of this version that are there. Raises BenchFailed without them."""
    version = tomllib.loads(_PROJECT.read_text())["project"]["version"]
    images = {name: f"talkdesk-{name}:{version}" for name in (*_PROGRAMS, "sandbox")}
    figures = [figure for name, image in images.items() for figure in _sizes(name, image)]
    python = ("--entrypoint", "/app/bin/python", images["operator"], "-c", "pass")
    bare = [_timed(lambda: _docker("run", "--rm", *python)) for _ in range(_STARTS)]
    figures.append(_median("docker run of Python alone, to its end", bare))
    with ControlPlane() as cluster, tempfile.TemporaryDirectory() as folder:
        apply_crds(cluster)
        kubeconfig = Path(folder, "kubeconfig")
        kubeconfig.write_text(cluster.kubeconfig.read_text())
        kubeconfig.chmod(0o644)  # in a folder of ours alone: the container's user has another number
        for name in _PROGRAMS:
            starts = [_start(name, images[name], kubeconfig) for _ in range(_STARTS)]
            figures.append(_median(f"{name}: docker run to /readyz", [each[0] for each in starts]))
            figures.append(_median(f"{name}: its CPU time until then", [each[1] for each in starts]))
            _free_lease(cluster)
    return figures


def _sizes(name: str, image: str) -> list[Figure]:
    try:
        total = json.loads(_docker("image", "inspect", image))[0]["Size"]
    except subprocess.CalledProcessError as error:
        raise BenchFailed(f"there is no image {image}: make images") from error
    layers = _docker("history", "--human=false", "--format={{.Size}}", image).split()
    parts = [f"{int(size) / 1e6:.1f}" for size in reversed(layers) if int(size)]
    return [plain(f"{name}: image", total / 1e6, "MB", note=f"interpreter, packages, ours: {', '.join(parts)}")]


def _start(name: str, image: str, kubeconfig: Path) -> tuple[float, float]:
    """Return the seconds from `docker run` until the program is ready, and those of CPU time that it took."""
    prefix, ports = f"TALKDESK_{name.upper()}", _free_ports(3)
    settings = {"KUBECONFIG": "/kubeconfig", "PROBE_PORT": ports[0], "METRICS_PORT": ports[1]}
    settings |= {"LEASE_NAMESPACE": "default"} if name == "operator" else {"PORT": ports[2]}
    variables = [f"--env={prefix}_{key}={value}" for key, value in settings.items()]
    mount = f"--volume={kubeconfig}:/kubeconfig:ro"
    began = time.monotonic()
    # The official client writes certificates that are in a kubeconfig to files; a pod has them as files.
    with _container("--read-only", "--tmpfs=/tmp", "--network=host", mount, *variables, image) as container:
        _wait_until(lambda: _is_ready(ports[0]), container)
        return time.monotonic() - began, _cpu_seconds(container)


def _cpu_seconds(container: str) -> float:
    pid = _docker("inspect", "--format={{.State.Pid}}", container).strip()
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _container(*arguments: str) -> Iterator[str]:
    container = _docker("run", "--detach", *arguments).strip()
    try:
        yield container
    finally:
        _docker("stop", "--time=30", container)
        _docker("rm", "--force", container)


def _wait_until(condition: Callable[[], bool], container: str) -> None:
    end = time.monotonic() + _WITHIN
    while not condition():
        if time.monotonic() > end:
            raise BenchFailed(f"not ready within {_WITHIN:g} s: {_logs(container)[-2000:]}")
        time.sleep(0.01)


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _free_lease(cluster: Cluster) -> None:
    cluster.kubectl("delete", "lease", "talkdesk-operator", "--ignore-not-found")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _median(name: str, seconds: list[float]) -> Figure:
    return plain(name, statistics.median(seconds), "s", seconds)


def _logs(container: str) -> str:
    """Return what the program wrote, which goes to standard error."""
    return subprocess.run(["docker", "logs", container], capture_output=True, text=True, check=True).stderr


def _docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout
