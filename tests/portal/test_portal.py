"""What people see and do in the portal, in a real browser before a real service, while a run goes on."""

from __future__ import annotations

import re

from tests.portal.browser import Page, expect
from tests.portal.studio import EVIL, Studio


def go(page: Page, studio: Studio, to: str) -> None:
    page.goto(f"{studio.url}/#{to}")
    page.wait_for_selector("main:not([aria-busy]) h1")


def test_why_last_nights_run_failed_is_two_clicks_from_the_start(page, studio):
    failed = page.locator("section", has=page.get_by_role("heading", name="Failed last"))
    expect(failed).to_contain_text("no column 'amount_eur' in rows.csv")
    failed.get_by_role("link", name="churn, run 3").click()
    expect(page.locator(".why")).to_contain_text("KeyError")
    page.get_by_role("link", name="Open the step and its log").click()
    expect(page.get_by_role("log")).to_contain_text("scoring with")
    expect(page.get_by_role("log")).to_contain_text("Traceback")


def test_a_link_lets_one_browser_in_and_shows_in_no_address(browser, studio):
    link, context = studio.link(f"/runs/{studio.failed.id}"), browser.new_context()
    page = context.new_page()
    page.goto(link)
    expect(page.get_by_role("heading", name=f"Run {studio.failed.id[:8]}")).to_be_visible()
    assert "code=" not in page.url and page.url.endswith(f"/#/runs/{studio.failed.id}")
    other = browser.new_context().new_page()
    other.goto(link)
    expect(other.get_by_role("heading", name="Sign in to see this workspace")).to_be_visible()
    expect(other.locator("main")).to_contain_text("canalis open")

    page.evaluate("localStorage.setItem('canalis.session', 'canalis-session.over.x')")  # as hours later
    page.reload()
    expect(page.get_by_role("heading", name="Sign in to see this workspace")).to_be_visible()
    second = context.new_page()
    second.goto(studio.link())
    expect(page.get_by_role("heading", name=f"Run {studio.failed.id[:8]}")).to_be_visible(), "it goes on where it was"
    context.close()
    other.context.close()


def test_the_graph_is_moved_searched_and_opened_by_keys_alone(page, studio):
    go(page, studio, f"/runs/{studio.runs[-1].id}")
    expect(page.get_by_role("application", name="Graph of 4 steps")).to_be_visible()
    page.get_by_label("Find a step in the graph").fill("linear")
    expect(page.locator(".graph [aria-live]")).to_have_text("1 steps found")
    page.get_by_role("application").focus()
    for key in ("+", "-", "0", "ArrowRight", "ArrowLeft", "ArrowLeft", "ArrowRight"):
        page.keyboard.press(key)
    expect(page.locator(".graph [aria-live]")).to_contain_text(re.compile("train (forest|linear), (succeeded|reused)"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=re.compile("train"))).to_be_visible()


def test_the_log_of_what_runs_is_followed_and_a_run_is_stopped_where_it_is_seen(page, studio):
    go(page, studio, f"/runs/{studio.going.id}.watch_the_stream")
    log = page.get_by_role("log")
    expect(log).to_contain_text("second 1")
    seen = log.locator("div").count()
    expect(log.locator("div").nth(seen + 1)).to_be_attached()  # nobody has asked for it
    page.get_by_role("link", name="Metrics").click()
    expect(page.locator(".plot h2")).to_have_text("progress")
    page.get_by_role("link", name=f"run {studio.going.id[:8]}").click()
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Leave it").click()
    assert studio.going.get_status() == "Running", "nothing is done before it was confirmed"
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel the run").click()
    expect(page.locator(".head .chip")).to_have_text(re.compile("cancelled"))


def test_nothing_that_was_named_or_printed_is_taken_for_markup(page, studio):
    step = f"/runs/{studio.evil.id}"
    for to in ("/runs", "/", step, f"{step}?tab=about", f"{step}?tab=time", f"{step}?tab=why"):
        go(page, studio, to)
    expect(page.locator("main")).to_contain_text("<img src=x onerror=")
    page.get_by_role("link", name=EVIL).first.click()
    log = page.get_by_role("log")
    expect(log).to_contain_text("<script>document.title='owned'</script> ⟨U+202E⟩ click gone")
    page.get_by_role("link", name="Metrics").click()
    expect(page.locator(".plot h2")).to_have_text("<svg onload=alert(1)>")
    assert page.title().startswith(EVIL), "it would be only this word, had it been run"
    assert page.locator("main img[onerror], main svg[onload], main script, main a[href^=javascript]").count() == 0


def test_runs_are_searched_and_the_address_leads_back_to_what_was_found(page, studio):
    go(page, studio, "/runs")
    page.get_by_label("Search name, id, parameter, tag").fill("growth")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.reload()
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_label("Status").select_option("failed")
    expect(page.locator("main")).to_contain_text("No run fits these filters.")


def test_what_a_step_read_wrote_and_was_run_with_is_shown(page, studio):
    step = f"/runs/{studio.runs[0].id}.prepare_customers"
    go(page, studio, f"{step}?tab=data")
    page.get_by_role("button", name=re.compile("Show .*rows.csv")).click()
    expect(page.locator(".preview td").first).to_have_text("customer, 0")
    page.get_by_role("link", name="Source").click()
    page.get_by_role("button", name="Show prep.py").click()
    expect(page.locator(".preview")).to_contain_text("argparse")
    page.get_by_role("link", name="Run with").click()
    expect(page.locator("pre").first).to_contain_text("--out <output data> --rows 40")
    go(page, studio, f"/runs/{studio.runs[0].id}.train_forest?tab=metrics")
    expect(page.locator(".plot", has_text="loss").first.locator("canvas")).to_be_visible()
    expect(page.locator(".matrix td").nth(1)).to_have_text("30")


def test_a_service_that_goes_away_is_said_to_be_and_comes_back(page, studio):
    go(page, studio, "/runs")
    page.route("**/api/v1/**", lambda route: route.abort())
    page.evaluate("location.hash = '#/'")
    expect(page.get_by_role("status")).to_contain_text("The service does not answer")
    page.unroute("**/api/v1/**")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="Workspace studio")).to_be_visible()
    expect(page.get_by_role("status")).to_be_empty()


def test_who_may_only_read_sees_nothing_that_they_may_not_do(page, studio):
    page.route("**/api/v1/me", lambda route: route.fulfill(json={"name": "ann", "role": "reader", "token": ""}))
    page.reload()
    go(page, studio, f"/runs/{studio.failed.id}")
    expect(page.locator(".why")).to_be_visible()
    assert page.locator(".head button").count() == 0
    expect(page.get_by_role("link", name="Changes")).to_have_count(0)


def test_a_published_pipeline_is_run_with_another_parameter_by_a_form(page, studio):
    go(page, studio, "/pipelines")
    page.get_by_role("link", name="Churn", exact=True).last.click()
    page.get_by_role("button", name="Run…").click()
    form = page.get_by_role("dialog")
    form.get_by_label("rounds (int)").fill("")
    form.get_by_role("button", name="Run", exact=True).click()
    expect(form.get_by_role("alert")).to_have_text("rounds must be a number")
    form.get_by_label("rounds (int)").fill("3")
    form.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("heading", name=re.compile("Run "))).to_be_visible()
    page.get_by_role("link", name="About").click()
    expect(page.locator("main")).to_contain_text("rounds3")
    expect(page.locator(".head .chip")).to_have_text(re.compile("completed"), timeout=20_000)


def test_runs_are_compared_and_the_best_one_leads_to_its_data(page, studio):
    go(page, studio, "/experiments/churn")
    page.get_by_label("Sort by").select_option("train forest/accuracy, highest first")
    best = page.locator("tbody tr").first
    expect(best).to_contain_text("0.998")
    for number in (1, 2):
        page.get_by_label(f"Choose run {number} to compare").check()
    page.get_by_role("button", name="Compare 2 runs").click()
    expect(page.get_by_role("region", name="Parameters and last values")).to_contain_text("rounds")
    assert page.locator(".plot canvas").count() >= 4
    go(page, studio, "/models/churn:1")
    data = page.get_by_role("region", name="Data")
    expect(data).to_contain_text("output data of prepare customers")
    expect(data).to_contain_text("--rows 40")


def test_versions_schedules_and_what_is_switched_off_are_shown_with_their_next_times(page, studio):
    go(page, studio, f"/endpoints/{studio.endpoint}")
    expect(page.locator("main")).to_contain_text('"--rows","40"')
    go(page, studio, f"/schedules/{studio.schedule}")
    expect(page.get_by_role("heading", name="Its next 20 firings")).to_be_visible()
    expect(page.locator("ol.firings time").first).to_have_attribute("title", re.compile("January 1, 2031"))
    page.get_by_role("button", name="Disable…").click()
    page.get_by_role("button", name="Disable", exact=True).click()
    expect(page.locator(".head .chip")).to_contain_text("disabled")
    page.get_by_role("button", name="Enable").click()
    expect(page.locator(".head .chip")).to_contain_text("active")


def test_who_acts_on_a_run_after_somebody_else_is_told(page, studio):
    go(page, studio, f"/runs/{studio.failed.id}")
    page.get_by_role("button", name="Resume").click()
    seen = studio.ws._client.get(f"/runs/{studio.failed.id}")
    page.route(f"**/api/v1/runs/{studio.failed.id}", lambda route: route.fulfill(json=seen | {"status": "running"}))
    page.get_by_role("dialog").get_by_role("button", name="Resume").click()
    expect(page.get_by_role("alert")).to_contain_text("somebody was faster")


def test_rows_are_read_as_others_write_them_and_endless_texts_are_cut(page, studio):
    given = 'a,"b, ""c""",d\r\n=1+1,"x\ny",\n'
    rows = page.evaluate("async (text) => (await import('/portal/files.js')).csvRows(text)", given)
    assert rows == [["a", 'b, "c"', "d"], ["=1+1", "x\ny", ""]]
    shown = page.evaluate("async (text) => (await import('/portal/dom.js')).plain(text)", "a\u202eb\0c" + "x" * 30_000)
    assert shown.startswith("a⟨U+202E⟩b⟨U+0000⟩cx") and len(shown) < 20_100
