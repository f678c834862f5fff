"""Each example of a step on the page on the language of templates renders as it says."""

import pytest
import yaml

from builders.operator_in_memory import sentiment
from generators.language_steps import step_fields
from generators.step_examples import STEP_EXAMPLES, VALUES, StepExample
from talkdesk_crds.app import TalkdeskApp
from talkdesk_operator.cli.offline import customer_of, rendering, usable
from talkdesk_operator.cli.samples import SAMPLES

ids = [each.text.partition("\n")[0].removeprefix("name: ") for each in STEP_EXAMPLES]


def app_with(example: StepExample) -> TalkdeskApp:
    raw = sentiment()
    raw["spec"]["tenant"] |= {"values": VALUES, "steps": [yaml.safe_load(example.text)]}
    return TalkdeskApp.model_validate(raw)


@pytest.mark.parametrize("example", STEP_EXAMPLES, ids=ids)
def test_each_example_gives_each_sort_of_customer_what_it_says(example: StepExample) -> None:
    app = usable(app_with(example))
    for sample in SAMPLES:
        rendered = rendering(app, customer_of(app, sample, None), {}).tenant
        made = tuple(f"{each['kind']} {each['metadata']['name']}" for step in rendered.steps for each in step.objects)
        assert made == example.objects[sample], sample


def test_each_field_of_a_step_is_in_an_example() -> None:
    fields = {name.strip("`") for name, *_ in step_fields()}
    shown = {field for each in STEP_EXAMPLES for field in yaml.safe_load(each.text)}
    assert fields == shown
