"""Results as text, as JSON and as JUnit's XML.

Belongs here: how results look. Does not belong here: what they are (`run`). Nothing that is shown holds a secret.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from talkdesk_sandbox.conformance.check import Check
from talkdesk_sandbox.conformance.run import Outcome, Result

__all__ = ["as_json", "as_junit", "line", "listing", "summary", "table"]

_WIDTH: Final = 18
_REPEAT: Final = "sign it anew with your key to repeat it: *** stands for what is not shown"


def line(result: Result) -> str:
    """Return a result as text, with the requests that show a failure."""
    said = f"{result.outcome}  {result.check.name:{_WIDTH}} {result.reason or result.check.rule}"
    lines = [said, *_requests(result)]
    lines += [f"      left behind: {tenant} could not be deleted" for tenant in result.left]
    return "\n".join(lines)


def summary(results: Sequence[Result]) -> str:
    """Return how many there were of each outcome."""
    count = Counter(result.outcome for result in results)
    words = f"{count[Outcome.PASS]} passed, {count[Outcome.FAIL]} failed, {count[Outcome.SKIP]} skipped"
    return f"{len(results)} checks: {words}"


def as_json(url: str, results: Sequence[Result]) -> str:
    """Return a JSON object."""
    count = Counter(result.outcome for result in results)
    content = {
        "url": url,
        "passed": count[Outcome.PASS],
        "failed": count[Outcome.FAIL],
        "skipped": count[Outcome.SKIP],
        "leftBehind": [tenant for result in results for tenant in result.left],
        "checks": [_described(result) for result in results],
    }
    return json.dumps(content, indent=2, ensure_ascii=False)


def as_junit(url: str, results: Sequence[Result]) -> str:
    """Return a test suite in the form that CI systems read."""
    count = Counter(result.outcome for result in results)
    counts = {"tests": len(results), "failures": count[Outcome.FAIL], "errors": 0, "skipped": count[Outcome.SKIP]}
    attributes = {name: str(number) for name, number in counts.items()}
    suites = Element("testsuites", attributes)
    suite = SubElement(suites, "testsuite", {"name": "talkdesk-conformance", "hostname": _plain(url), **attributes})
    for result in results:
        case = SubElement(suite, "testcase", {"classname": "talkdesk-conformance", "name": result.check.name})
        if result.outcome is Outcome.FAIL:
            failure = SubElement(case, "failure", {"message": _plain(result.reason)})
            failure.text = _plain("\n".join([result.check.rule, *_requests(result)]))
        elif result.outcome is Outcome.SKIP:
            SubElement(case, "skipped", {"message": _plain(result.reason)})
    indent(suites)
    return tostring(suites, encoding="unicode", xml_declaration=False)


def listing(checks: Sequence[Check]) -> str:
    """Return each check, where it comes from, and what it requires, a line each."""
    widest = max(len(check.source) for check in checks)
    return "\n".join(f"{check.name:{_WIDTH}} {check.source:{widest}}  {check.rule}" for check in checks)


def table(checks: Sequence[Check]) -> str:
    """Return the same as a table in Markdown."""
    rows = [f"| `{check.name}` | {check.source} | {check.rule} |" for check in checks]
    return "\n".join(["| check | from | rule |", "|---|---|---|", *rows])


def _described(result: Result) -> dict[str, Any]:
    return {
        "name": result.check.name,
        "source": result.check.source,
        "rule": result.check.rule,
        "outcome": result.outcome,
        "reason": result.reason,
        "requests": list(result.requests),
        "leftBehind": list(result.left),
    }


def _requests(result: Result) -> Iterator[str]:
    for each in result.requests:
        yield f"      {each['method']} {each['path']}"
        yield from (f"      {name}: {text}" for name, text in each["headers"].items())
        if each["body"] is not None:
            yield f"      {json.dumps(each['body'], ensure_ascii=False)}"
        yield f"      -> {json.dumps(each['answer'], ensure_ascii=False)}"
    if result.requests:
        yield f"      ({_REPEAT})"


def _plain(text: str) -> str:
    """Return the text without what XML can't hold."""
    return "".join(character if character in "\n\t" or ord(character) >= 32 else "?" for character in text)
