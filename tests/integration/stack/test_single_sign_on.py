"""The example of single sign-on, played through in a real Chromium with the real oauth2-proxy.

The operator makes the tenant from manifests/examples/sso on a real API server; the pod's two containers run as
processes here, with what the Deployment and the Secret say.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
import pytest_asyncio

from builders.chromium import Chromium, Window, chromium, chromium_missing
from builders.platform import Platform
from builders.single_sign_on import DOMAIN, Place, single_sign_on
from builders.stack import Stacks
from talkdesk_sandbox.simulator import commands

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("browser_program")]
OPERATOR = {"ALLOWED_HOOK_NETWORKS": "127.0.0.0/8"}
OVER, LOGIN = "Your session has ended", "Talkdesk simulator: log in to"


@pytest.fixture(scope="module")
def browser_program() -> None:
    """Chromium, installed where it is missing and somebody is root."""
    if missing := chromium_missing():
        pytest.fail(missing, pytrace=False)


@pytest_asyncio.fixture(loop_scope="module")
async def place(stacks: Stacks, programs: Platform, oauth2_proxy_program: Path, tmp_path: Path) -> AsyncIterator[Place]:
    async with single_sign_on(stacks, programs, oauth2_proxy_program, tmp_path) as made:
        yield made


@asynccontextmanager
async def browser(place: Place) -> AsyncIterator[Chromium]:
    async with chromium({f"*.{DOMAIN}": place.port}, place.pair.certificate) as made:
        yield made


async def log_in(window: Window, user: str) -> None:
    """Fill in Talkdesk's form."""
    await window.shows(LOGIN)
    await window.click(f'option[value="{user}"]')
    await window.type('input[name="password"]', "talkdesk")
    await window.click('button[value="login"]')


async def launch(place: Place, window: Window, user: str) -> None:
    """Open the app from within Talkdesk."""
    command = commands.Launch(installation=place.customer.installation_id)
    await window.open(place.stack.simulator.launch(command).url)
    await log_in(window, user)


@pytest.mark.case(76)
async def test_a_login_a_check_of_licenses_and_a_single_logout_in_a_real_browser(place: Place, tmp_path: Path) -> None:
    ana, ben, eve = place.users()
    async with (
        place.pod(),
        browser(place) as program,
        program.window(tmp_path / "ana") as first,
        program.window(tmp_path / "ben") as second,
        program.window(tmp_path / "eve") as third,
    ):
        await launch(place, first, ana)
        await first.shows(f"({ana}).")
        where = urlsplit(await first.url())
        assert f"{where.scheme}://{where.netloc}" == place.url
        assert place.customer.installation_id in where.query

        await second.open(place.url)
        await log_in(second, ben)
        await second.shows(f"({ben}).")

        await third.open(place.url)
        await log_in(third, eve)
        await third.shows("You have no license for this app")
        await give_license(place, eve)
        await third.open(place.url)
        await third.shows(f"({eve}).")

        await log_out_of_talkdesk(place, first)
        await first.open(f"{place.url}/calls")
        await first.shows(OVER)
        await log_in(first, ana)
        await first.shows(f"({ana}).")
        for window, user in ((second, ben), (third, eve)):
            await window.open(f"{place.url}/calls")
            await window.shows(f"({user}).")


async def give_license(place: Place, user: str) -> None:
    """Let the customer add a user, and wait until the directory knows all three."""
    command = commands.Update(installation=place.customer.installation_id, adding=(user,))
    await place.stack.delivered(place.stack.simulator.update(command))
    await place.becomes_active()
    await place.customer.until(lambda obj: obj["status"].get("users", {}).get("synced") == 3, "have the user synced")


async def log_out_of_talkdesk(place: Place, window: Window) -> None:
    """Log out in Talkdesk's own page, and wait until the webhook has passed it on."""
    command = commands.Launch(installation=place.customer.installation_id)
    home = place.stack.simulator.launch(command).url.partition("/launch?")[0]
    await window.open(f"{home}/home")
    await window.click("button")
    await window.shows(LOGIN)
    await place.stack.simulator.dispatcher.drain()
    [logout] = [each for each in place.stack.simulator.dispatcher.log if each.event.type == "user.logout"]
    assert logout.state == "delivered", logout.attempts


@pytest.mark.case(76)
async def test_a_rotation_of_credentials_asks_nobody_for_a_password(place: Place, tmp_path: Path) -> None:
    ana = place.users()[0]
    async with browser(place) as program, program.window(tmp_path / "ana") as window:
        before = await place.deployment()
        async with place.pod():
            await window.open(place.url)
            await log_in(window, ana)
            await window.shows(f"({ana}).")
            cookie = (await window.cookies())["__Host-session"]
            assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Lax")
        rotated = place.stack.simulator.rotate(commands.Rotate(installation=place.customer.installation_id))
        await place.stack.delivered(rotated)
        await place.customer.until_acknowledged(rotated.events[0].id)
        await place.becomes_active()
        after = await place.deployment()
        assert before["metadata"]["generation"] < after["metadata"]["generation"], "the pods are replaced"
        async with place.pod():
            await window.open(f"{place.url}/calls")
            await window.shows(f"({ana}).")


@pytest.mark.case(76)
async def test_nobody_gets_past_the_proxy_or_is_led_elsewhere_by_it(place: Place) -> None:
    ana = place.users()[0]
    spoofed = {"X-Forwarded-User": ana, "X-Auth-Request-User": ana, "X-Forwarded-Email": "a@example.com"}
    async with place.pod() as pod, aiohttp.ClientSession() as http:
        proxy = aiohttp.UnixConnector(str(pod.socket))
        async with aiohttp.ClientSession(connector=proxy) as behind:
            for headers in (spoofed, {"Authorization": "Bearer e30.e30."}, {"Authorization": "Basic YW5hOg=="}):
                async with behind.get("http://app/", headers=headers, allow_redirects=False) as answer:
                    assert answer.status == 302
                    assert answer.headers["location"].startswith(place.stack.server.url)
            for there in ("https://evil.example/", "//evil.example/", "/\\evil.example"):
                query = {"rd": there}
                async with behind.get("http://app/oauth2/sign_out", params=query, allow_redirects=False) as answer:
                    assert answer.headers["location"] == "/"
            async with behind.get("http://app/signed-out", headers=spoofed) as answer:
                assert answer.status == 200
                assert ana not in await answer.text()
            forged = {"code": "made-up", "state": "made-up:/"}
            async with behind.get("http://app/oauth2/callback", params=forged, allow_redirects=False) as answer:
                assert answer.status == 403
        async with http.get(pod.app_url, headers=spoofed) as answer:
            assert answer.status == 401
    assert not any(b"@example.com" in log for log in pod.logs)
