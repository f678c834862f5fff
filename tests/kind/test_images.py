"""What is in our images, and what is not: each is looked at from within, as it runs in a pod."""

import hashlib
import json
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

pytestmark = pytest.mark.kind

ROOT = Path(__file__).parents[2]
LOOK = ROOT / "tests/builders/inside_image.py"
TAG = f"test-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}"
"""Of this checkout: others may build theirs meanwhile."""
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
PACKAGES = {
    "operator": ("talkdesk_operator", "talkdesk_crds", "talkdesk_runtime"),
    "webhook": ("talkdesk_webhook", "talkdesk_crds", "talkdesk_runtime"),
    "sandbox": ("talkdesk_sandbox.simulator", "talkdesk_sandbox.scim", "talkdesk_crds", "talkdesk_runtime"),
}
LEFT_OUT = {"rich", "pygments", "prompt-toolkit", "wcwidth", "typer", "shellingham", "markdown-it-py", "mdurl"}
"""Of the operator: a library's command line. These are their modules:"""
LEFT_OUT_MODULES = "rich,pygments,prompt_toolkit,wcwidth,typer,shellingham,markdown_it,mdurl"
IMPORTERS = {
    "cel.cli",  # never loaded: process/lean_imports
    "httpx._main", "structlog.dev", "structlog.tracebacks",  # each in a try
    "lark.tree", "pydantic._internal._core_utils",  # in functions that print for a person who debugs
}  # fmt: skip
"""Who imports them all the same."""
MENTIONS = {
    "attr: VersionInfo",  # a class of its own
    "kubernetes.utils.metrics: CustomObjectsApi",  # in a function that nothing here calls
}
"""Where names of missing classes are found all the same."""
COMMANDS = {"operator": "talkdesk-operator", "webhook": "talkdesk-webhook", "sandbox": "talkdesk-simulator"}
HARDENED = ("--read-only", "--network=none", "--cap-drop=ALL", "--security-opt=no-new-privileges")


@dataclass(frozen=True)
class Image:
    """One of our images, with what was found in it."""

    target: str
    name: str
    config: dict[str, Any]
    found: dict[str, Any]

    @property
    def distributions(self) -> set[str]:
        return set(self.found["distributions"])


def docker(*arguments: str, stdin: str = "") -> str:
    return subprocess.run(["docker", *arguments], input=stdin, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module", params=sorted(PACKAGES))
def image(request: pytest.FixtureRequest) -> Iterator[Image]:
    """Each image, made anew where something has changed."""
    target = request.param
    command = [ROOT / "sandbox/images/build", "--sbom", target]
    built = subprocess.run(command, env=os.environ | {"TAG": TAG}, check=False, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    name = f"talkdesk-{target}:{TAG}"
    script = LOOK.read_text()
    run = ("run", "--rm", "--interactive", *HARDENED, "--entrypoint=/app/bin/python", name, "-")
    found = json.loads(docker(*run, ",".join(PACKAGES[target]), LEFT_OUT_MODULES, stdin=script))
    yield Image(target, name, json.loads(docker("image", "inspect", name))[0]["Config"], found)
    docker("image", "rm", name)


def declared(extra: str) -> set[str]:
    """Return what our package asks for, with that extra."""
    wanted = (Requirement(each) for each in requires("talkdesk-operator") or ())
    return {each.name.lower() for each in wanted if each.marker is None or each.marker.evaluate({"extra": extra})}


def pinned(target: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9._-]+)==", (ROOT / f"requirements/{target}.txt").read_text(), re.MULTILINE))


def test_an_image_has_what_its_program_asks_for_and_nothing_that_is_not_pinned(image: Image) -> None:
    assert declared(image.target) <= image.distributions
    assert image.distributions <= pinned(image.target) | {"talkdesk-operator"}
    left_out = LEFT_OUT if image.target == "operator" else set()
    assert pinned(image.target) - image.distributions - {"colorama"} == left_out, "colorama is for Windows"


def test_operator_and_webhook_have_nothing_of_each_other(image: Image) -> None:
    foreign = {"operator": {"uvicorn", "starlette"}, "webhook": {"kopf"}, "sandbox": {"kopf"}}[image.target]
    assert not foreign & image.distributions
    assert not {"pip", "setuptools", "wheel", "uv", "pytest"} & image.distributions


def test_an_image_runs_nothing_but_python_and_its_own_command(image: Image) -> None:
    python = r"/usr(/local)?/bin/python3[.\d]*"
    others = [each for each in image.found["executables"] if not re.fullmatch(python, each)]
    loader = [each for each in others if Path(each).name.startswith("ld-linux")]
    assert set(others) - set(loader) == {f"/app/bin/{COMMANDS[image.target]}"}


def test_a_user_with_a_number_alone_can_change_nothing(image: Image) -> None:
    assert image.config["User"] == "65532:65532"
    assert image.found["uid"] == 65532
    assert image.found["loose"] == []


def test_every_module_is_compiled_beforehand(image: Image) -> None:
    assert image.found["without_bytecode"] == []


def test_every_import_of_our_programs_finds_its_module(image: Image) -> None:
    assert image.found["failing_imports"] == []


def test_no_loaded_module_names_a_class_of_the_kubernetes_client_that_was_left_out(image: Image) -> None:
    assert image.found["missing_classes"] > 500
    assert set(image.found["mentions"]) <= MENTIONS


def test_only_command_lines_import_what_was_left_out_of_the_operator(image: Image) -> None:
    if image.target == "operator":
        assert set(image.found["importers"]) <= IMPORTERS
        assert not {"cel.cli.app", *LEFT_OUT_MODULES.split(",")} & {
            each for each in image.found["loaded"] if each != "rich"
        }


def test_an_image_says_what_it_is(image: Image) -> None:
    labels = {key.rpartition(".")[2]: value for key, value in image.config["Labels"].items()}
    assert labels["title"] == f"talkdesk-{image.target}"
    assert labels["version"] == VERSION
    assert labels["licenses"] == "Apache-2.0"
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", labels["revision"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", labels["created"])


def test_the_sbom_names_all_that_is_in_an_image_and_no_place_on_this_machine(image: Image) -> None:
    text = (ROOT / f"build/sbom/talkdesk-{image.target}.cdx.json").read_text()
    document = json.loads(text)
    assert document["bomFormat"] == "CycloneDX"
    assert document["metadata"]["component"]["name"] == "talkdesk-operator"
    names = {each["name"].lower().replace("_", "-") for each in document["components"]}
    assert image.distributions - {"talkdesk-operator"} <= names
    assert "libc6" in names
    assert any(each["name"] == "python" or each["name"].startswith("libpython3") for each in document["components"])
    assert [place for place in (str(ROOT), str(Path.home()), "/build/", "file:") if place in text] == []


def test_a_program_says_what_is_wrong_with_its_settings_as_any_user(image: Image) -> None:
    run = ["docker", "run", "--rm", *HARDENED, "--user=4711:4711", image.name, "--no-such-setting"]
    result = subprocess.run(run, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "no-such-setting" in result.stderr
    assert "Traceback" not in result.stderr
