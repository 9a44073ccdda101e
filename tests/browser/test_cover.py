"""The pages of on call and the register, in a real browser: they fit every window and complain of nothing."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.test_walk import SEED, look_everywhere, sign_in
from tests.support.processes import RunningAndon, running_andon

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture
def seeded(tmp_path) -> Iterator[tuple[RunningAndon, dict[str, str]]]:
    """The demo's organisation, without an engine: nothing is paged here."""
    with running_andon(tmp_path, engine=False) as andon:
        yield andon, andon.python(SEED, port=9)


def test_every_page_of_on_call_and_the_register_fits(seeded, window, picture):
    andon, world = seeded
    page = window().new_page()
    sign_in(page, andon, world)
    page.goto(f"{andon.base_url}/schedules")
    schedule = page.locator("main table a").first.get_attribute("href")
    page.goto(f"{andon.base_url}{schedule}/take-over")
    page.get_by_role("button", name="Take over").click()
    expect(page.locator("main")).to_contain_text("takes over")
    page.goto(f"{andon.base_url}/systems")
    system = page.locator("main table a").first.get_attribute("href")
    page.goto(f"{andon.base_url}/chains")
    chain = page.locator("main table a").first.get_attribute("href")
    state = page.context.storage_state()
    for name, address in (
        ("oncall", "/oncall"),
        ("schedules", "/schedules"),
        ("schedule", schedule),
        ("schedule-change", f"{schedule}/change"),
        ("layer", f"{schedule}/layers/1"),
        ("take-over", f"{schedule}/take-over"),
        ("calendar-import", f"{schedule}/import"),
        ("chains", "/chains"),
        ("chain", chain),
        ("chain-change", f"{chain}/change"),
        ("systems", "/systems"),
        ("system", system),
        ("system-change", f"{system}/change"),
        ("components", "/components"),
        ("component-create", "/components/new"),
    ):
        look_everywhere(window, picture, andon, state, f"cover-{name}", address)
