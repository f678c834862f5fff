"""`make demo` shows what it promises, and leaves nothing behind however it ends."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from builders.demonstration import Demonstration
from builders.programs import stand_in_go
from talkdesk_sandbox.controlplane import Cluster

README = Path(__file__).parents[2] / "README.md"
MILESTONES = (
    r"control plane +etcd",
    r"acme installs the app on trial\n +approved +\d+\.\d\d s after app\.installed; Talkdesk's state: completed\n",
    r"\$ kubectl get talkdeskinstallations,talkdesktenants",
    r"talkdeskinstallation\.\S+ +acme +Active +True +Install ",
    r"talkdesktenant\.\S+ +\w+ +Active +True ",
    r"the tenant has +Namespace td-sentiment-\S+, RoleBinding \S+, ResourceQuota .*, Secret talkdesk\n",
    r"forges an uninstall\n +refused +401 \{.*signature",
    r"acme uninstalls it\n +approved +\d+\.\d\d s after app\.uninstalled; ",
    r"talkdeskinstallation\.\S+ +acme +Uninstalled ",
    r"talkdesktenant\.\S+ +\w+ +Offboarded +False +\d{4}-",
    r"kept +Namespace td-(?!.*Secret)",
    r"deleted +every Secret",
    r"acme installs it again\n +approved +\d+\.\d\d s after app\.installed; Talkdesk's state: completed\n",
    r"talkdesktenant\.\S+ +\w+ +Active +True ",
    r"the same +namespace td-\S+, uid [0-9a-f-]{36}, as before",
    r"acme's trial ends\n",
    r"talkdeskinstallation\.\S+ +acme +Suspended +True +Install +Ended ",
    r"talkdesktenant\.\S+ +\w+ +Suspended +True ",
    r"the tenant has +suspended: true in its ConfigMap, pods: 0 in its quota\n",
    r"acme buys it\n +approved +\d+\.\d\d s after app\.updated; Talkdesk's state: completed\n",
    r"talkdeskinstallation\.\S+ +acme +Active +True +Update ",
    r"the tenant has +suspended: false in its ConfigMap, pods: 10 in its quota\n",
    r"\$ kubectl create secret generic scim ",
    r"\$ kubectl annotate secret scim appconnect\.talkdesk\.dev/for-hosts=127\.0\.0\.1:\d+ ",
    r"\$ kubectl patch talkdeskapp/sentiment .*scim",
    r"approved +\d+\.\d\d s after app\.updated; ",
    r"talkdeskinstallation\.\S+ +acme +Active .* Gold +5 ",
    r"users +5 licensed at Talkdesk, 5 in the SCIM service\n",
    r"rotates acme's credentials\n",
    r"acknowledged +\d{4}-",
    r"the tenant has +key \w+, no longer \w+\n",
    r"\$ kubectl patch talkdeskapp/sentiment .*Manual",
    r"talkdeskinstallation\.\S+ +globex +AwaitingDecision +False +Install +\d{4}-",
    r"it says +a person must decide",
    r"\$ kubectl auth whoami ",
    r"\$ kubectl patch talkdeskinstallation/\S+ .*Approve.*decidedBy",
    r"approved +\d+\.\d\d s after app\.installed; Talkdesk's state: completed\n",
    r"talkdeskinstallation\.\S+ +globex +Active +True ",
    r"All as expected",
)


@pytest.fixture(autouse=True)
def _programs_are_there(control_plane: object) -> None:
    """Compile them, where that is needed, before anything here has a time limit."""


@pytest.mark.case(20, 34, 36)
def test_it_shows_a_customers_life_and_removes_everything_it_started() -> None:
    with Demonstration() as demo:
        assert demo.ends(within=120) == 0, demo.text
        demo.leaves_nothing()
    at = 0
    for milestone in MILESTONES:
        found = re.compile(milestone).search(demo.text, at)
        assert found, f"{milestone} is not where it belongs in:\n{demo.text}"
        at = found.end()


def test_with_keep_the_printed_commands_work_until_ctrl_c() -> None:
    with Demonstration("--keep") as demo:
        demo.reads("export KUBECONFIG=", within=240)
        demo.reads("YOUR_APP_ID --callback")
        commands = [line for line in demo.output[-30:] if line.startswith(("export ", "alias "))]
        script = ["shopt -s expand_aliases", "set -e", *commands, *readme_commands()]
        output = bash("\n".join(script))
        assert "initech: installation" in output
        assert "delivered" in output
        assert output.count("talkdeskinstallation.appconnect.talkdesk.dev/") >= 3
        assert "No resources found" not in output
        erased = bash("\n".join(["shopt -s expand_aliases", "set -e", *commands, *erases_initech()]))
        assert "patched" in erased
        assert erased.endswith("Purged")
        for name in ("logs ", "webhook ", "metrics "):
            shown = demo.text.rpartition(f"\n{name}")[2].split()
            assert shown[0].startswith("http") or Path(shown[0]).is_dir(), shown[0]
        demo.send(signal.SIGINT)
        assert demo.ends() == 0
        demo.leaves_nothing()


@pytest.mark.parametrize(
    ("words", "number", "status"),
    [
        ("A cluster, an operator", signal.SIGTERM, 143),
        ("programs", signal.SIGINT, 130),
    ],
)
def test_an_interruption_at_any_moment_leaves_no_process_and_no_file(
    words: str, number: signal.Signals, status: int
) -> None:
    with Demonstration() as demo:
        demo.reads(words)
        demo.send(number)
        demo.send(number)  # people press it twice
        assert demo.ends() == status, demo.text
        demo.leaves_nothing()
        assert "Traceback" not in demo.text


def test_an_interruption_while_go_compiles_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    compiler = tmp_path / "compiler"
    go = stand_in_go(tmp_path / "bin", build=f'echo $$ > {compiler}; touch "$GOTMPDIR/work"; sleep 600 & wait')
    environment = {
        "PATH": f"{go.parent}{os.pathsep}{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "KUBEBUILDER_ASSETS": "",
    }
    with Demonstration(environment=environment) as demo:
        demo.reads("compiling Kubernetes")
        wait_for(compiler)
        demo.send(signal.SIGINT)
        assert demo.ends() == 130
        demo.leaves_nothing()
    left = [path.name for path in (tmp_path / "cache").rglob("*") if not path.is_dir()]
    assert all(name.endswith(".lock") for name in left)


def test_a_killed_demonstration_leaves_no_process_and_no_file() -> None:
    with Demonstration() as demo:
        demo.reads("approved")
        demo.send(signal.SIGKILL)
        assert demo.ends() == -signal.SIGKILL
        demo.leaves_nothing(within=90)


def test_a_program_that_ends_by_itself_is_named_with_the_last_lines_of_its_log() -> None:
    with Demonstration() as demo:
        demo.reads("approved")
        (webhook,) = [pid for pid, command in demo.processes().items() if "-m talkdesk_webhook" in command]
        os.kill(webhook, signal.SIGKILL)
        assert demo.ends() == 1
        assert demo.processes() == {}
    assert "webhook ended with status -9" in demo.text
    assert "app.installed" in demo.text.rpartition("the last lines of the log of webhook:")[2]
    assert "Traceback" not in demo.text


def readme_commands() -> list[str]:
    """Return what README.md has a reader type after `make demo KEEP=1`, as written.

    Where it says NAME, a name is put that is there; `&&` in front of it would be cheating, so each must end with 0.
    """
    blocks = re.findall(r"(?:^    .+\n)+", README.read_text(encoding="utf-8"), re.MULTILINE)
    lines = [line.strip() for block in blocks for line in block.splitlines() if not line.strip().startswith("#")]
    begins = ("kubectl ", "talkdesk-simulator ", "me=")
    typed = [line for line in lines if line.startswith(begins) and " apply " not in line]
    assert len(typed) == 10, typed
    names = {
        "tdi NAME": "$(kubectl get tdi --output=name | head -n 1)",
        "tdt NAME": "$(kubectl get tdt --output=name | head -n 1)",
    }
    for short, name in names.items():
        typed = [line.replace(short, name) for line in typed]
    request = f"$(kubectl get {names['tdi NAME']} --output=jsonpath={{.spec.request.eventId}})"
    # A customer who can be erased has gone before: see erases_initech.
    typed = [line.replace("ID OF spec.request", f"'\"{request}\"'") for line in typed if "purge" not in line]
    return [*typed, "talkdesk-simulator deliveries"]


def erases_initech() -> list[str]:
    """Return commands that uninstall the customer of the tour, and then erase it with README.md's line as written."""
    (purge,) = [line.strip() for line in README.read_text(encoding="utf-8").splitlines() if '"purge"' in line]
    purge = purge.partition("  #")[0]
    return [
        "talkdesk-simulator uninstall initech",
        "account=$(kubectl get tdi -o jsonpath='{.items[?(@.spec.accountName==\"initech\")].spec.accountId}')",
        "tenant=$(kubectl get tdt --field-selector=spec.accountId=$account -o name)",
        "installation=$(kubectl get tdi --field-selector=spec.accountId=$account -o name)",
        # It may be the first by name, which the commands above have paused.
        'kubectl patch $tenant --type=merge -p \'{"spec":{"paused":false}}\'',
        "kubectl wait $tenant --for=jsonpath='{.spec.state}'=Offboarded --timeout=180s",
        purge.replace("tdt NAME", "$tenant"),
        "reason='{.status.conditions[?(@.type==\"Ready\")].reason}'",
        # The tenant's record goes with the last of its objects; the installation stays, without personal data.
        "kubectl wait $tenant --for=delete --timeout=180s",
        "kubectl wait $installation --for=jsonpath=$reason=Purged --timeout=180s",
        "kubectl get $installation -o jsonpath=$reason",
    ]


def test_every_other_command_of_the_readme_is_run_by_some_test() -> None:
    text = README.read_text(encoding="utf-8")
    makefile = (README.parent / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"`?make ([a-z-]+)", text)) - {"sure"}
    assert targets
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets), targets
    applied = re.findall(r"kubectl apply --server-side -k (\S+)", text)
    assert applied == ["manifests/base", "manifests/examples/sentiment"]
    assert all((README.parent / folder / "kustomization.yaml").is_file() for folder in applied)


def test_the_objects_that_the_readme_applies_are_taken_as_written(control_plane: Cluster) -> None:
    for folder in ("manifests/base", "manifests/examples/sentiment"):
        said = control_plane.kubectl("apply", "--server-side", "-k", str(README.parent / folder))
        assert "serverside-applied" in said


def wait_for(path: Path) -> None:
    subprocess.run(["timeout", "30", "sh", "-c", f"until test -s {path}; do sleep 0.05; done"], check=True)


def bash(script: str) -> str:
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
