"""All interleavings of small worlds: the search itself is in this folder; `make model` runs more of it."""

import pytest

from model.__main__ import story, told
from model.moves import Scene
from model.mutants import Mutant, judge, say
from model.scenes import SCENES
from model.search import Search
from model.seeded import MUTANTS

QUICK = (
    "an approval does not wait for the tenant",
    "credentials are acknowledged without a proof",
    "an older request replaces a newer one",
)
"""Seeded faults that are found within seconds; `make model-mutants` tries all."""


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_every_state_of_a_scene_is_as_it_should_be_and_comes_to_rest(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    search = Search(scene)
    found = search.run()
    with capsys.disabled():
        say(f"\n{told(search)}")
    assert found is None, story(found)
    assert search.states > 20
    assert search.rests > 0


@pytest.mark.parametrize("mutant", [each for each in MUTANTS if each.what in QUICK], ids=lambda mutant: mutant.what)
def test_a_seeded_fault_is_found(mutant: Mutant) -> None:
    assert judge(mutant).killed_by
