"""The command line: one line says what is missing, and the exit status says which kind of problem it is."""

from pathlib import Path

from builders.demonstration import Demonstration


def test_without_programs_and_without_go_one_line_says_what_to_do(tmp_path: Path) -> None:
    environment = {"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "KUBEBUILDER_ASSETS": ""}
    with Demonstration(environment=environment) as demo:
        assert demo.ends() == 2
        demo.leaves_nothing()
    (line,) = [line for line in demo.output if line.startswith("demo: ")]
    assert "install Go" in line
    assert "KUBEBUILDER_ASSETS" in line
    assert demo.output[-1] == line


def test_an_unknown_argument_is_refused() -> None:
    with Demonstration("--forever") as demo:
        assert demo.ends() == 2
    assert "unrecognized arguments: --forever" in demo.text
