"""Models of one shape share a set, and nothing else of them is shared or changed."""

from pydantic import BaseModel, ConfigDict

from talkdesk_operator.sharing import FieldSets


class Part(BaseModel):
    model_config = ConfigDict(frozen=True)

    name: str = ""
    size: int = 0


class Whole(BaseModel):
    model_config = ConfigDict(frozen=True)

    part: Part | None = None
    parts: tuple[Part, ...] = ()


def shared(*models: Whole) -> None:
    sets = FieldSets()
    for model in models:
        sets.share(model)


def test_equal_sets_become_one_also_of_models_inside_and_in_tuples() -> None:
    one, other = Whole(part=Part(name="a"), parts=(Part(name="b"),)), Whole(part=Part(name="c"), parts=())
    shared(one, other)
    assert one.model_fields_set is other.model_fields_set
    assert one.part is not None
    assert other.part is not None
    assert one.part.model_fields_set is other.part.model_fields_set is one.parts[0].model_fields_set


def test_different_sets_stay_different() -> None:
    named, sized = Whole(part=Part(name="a")), Whole(part=Part(size=1))
    shared(named, sized)
    assert [whole.part and whole.part.model_fields_set for whole in (named, sized)] == [{"name"}, {"size"}]


def test_a_changed_copy_leaves_the_others_alone() -> None:
    one, other = Whole(part=Part(name="a")), Whole(part=Part(name="b"))
    shared(one, other)
    copy = one.model_copy(update={"parts": (Part(),)})
    assert copy.model_fields_set == {"part", "parts"}
    assert one.model_fields_set == other.model_fields_set == {"part"}


def test_a_shared_model_is_written_and_compared_as_before() -> None:
    plain, model = Whole(part=Part(name="a")), Whole(part=Part(name="a"))
    shared(model, Whole(part=Part(size=1)))
    assert model == plain
    assert model.model_dump(exclude_unset=True) == {"part": {"name": "a"}}
