"""The page in headless Chromium, by clicks and keys; left out where there is no Chromium or no Playwright."""

import shutil

import pytest
from conftest import LIMIT
from made_pages import NAMES, class_names, make_clips, write_page

playwright = pytest.importorskip("playwright.sync_api", reason="the page is tested with playwright")
pytestmark = pytest.mark.slow

CLIPS, CLASSES = 60, 6
ACTION_MS = 60_000  # twice what Playwright gives; not LIMIT, because a broken page fails in most tests
TRUTH, SAID = 1, 3  # a cell of the fusion, see `pages.make_clips`


@pytest.fixture(scope="module")
def browser():
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with playwright.sync_playwright() as driver:
        try:
            arguments = ["--no-sandbox", "--disable-gpu"]
            browser = driver.chromium.launch(executable_path=path, args=arguments, timeout=1000 * LIMIT)
        except playwright.Error as error:
            pytest.skip(f"no Chromium: {error.message.splitlines()[0]}")
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    return write_page(tmp_path_factory.mktemp("page") / "atlas.html", CLIPS, CLASSES, CLIPS - 5).as_uri()


@pytest.fixture
def open_page(browser, address):
    """Opens the page with what follows its address; afterwards there must be no errors and no requests."""
    contexts, problems = [], []

    def open_at(end="", **options):
        context = browser.new_context(viewport={"width": 1200, "height": 900}, **options)
        context.set_default_timeout(ACTION_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))
        is_local = lambda url: url.startswith(("data:", address))  # noqa: E731
        page.on("request", lambda request: None if is_local(request.url) else problems.append(request.url))
        page.goto(address + end)
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert problems == []


def expected(stream="fused", truth=None, said=None, right=None):
    """The ids of the clips that pass the filters."""
    clips, scores = make_clips(CLIPS, CLASSES)
    answers, labels = scores[stream].argmax(axis=1), clips.class_index.to_numpy()
    passes = [
        (truth is None or label == truth) and (said is None or answer == said)
        and (right is None or (answer == label) == right)
        for answer, label in zip(answers, labels, strict=True)
    ]  # fmt: skip
    return sorted(clips.video_id[passes])


def shown(page):
    """The ids of the clips shown."""
    return sorted(text.split(" · ")[0] for text in page.locator(".card .about").all_inner_texts())


def cell(page, truth, said):
    return page.locator("#scroll tbody tr").nth(truth).locator("td").nth(said)


def test_a_cell_opens_its_clips_and_escape_returns_to_it(open_page):
    page = open_page()
    wanted = expected(truth=TRUTH, said=SAID)
    assert cell(page, TRUTH, SAID).inner_text() == str(len(wanted)) and len(wanted) > 1
    cell(page, TRUTH, SAID).click()
    assert shown(page) == wanted
    count = page.locator("#count").inner_text()
    assert count.startswith(f"{len(wanted)} of {CLIPS} clips: {NAMES[TRUTH]}, answered as {NAMES[SAID]} by")
    assert page.evaluate("document.activeElement.id") == "clips-title"
    page.keyboard.press("Escape")
    assert page.locator("#count").inner_text() == f"{CLIPS} of {CLIPS} clips"
    assert page.evaluate("document.activeElement.textContent") == str(len(wanted))


@pytest.mark.parametrize("film", [0, 1])
def test_the_pictures_of_a_card_open_its_clip(open_page, film):
    page = open_page()
    picture = page.locator(".card").nth(1).locator(".film").nth(film)
    assert picture.evaluate("film => getComputedStyle(film).cursor") == "pointer"
    picture.click()
    assert page.locator("dialog .about").inner_text() == page.locator(".card .about").nth(1).inner_text()
    page.keyboard.press("Escape")
    assert page.locator(".card .open").nth(1).evaluate("title => title === document.activeElement")


@pytest.mark.parametrize(("of_truth", "tie"), [
    (0.38, "Nearly a tie for the fusion: 0.52 against 0.38 for the true class."), (0.36, "")
])  # fmt: skip
def test_an_open_clip_names_the_answer_and_whether_it_is_nearly_a_tie(open_page, of_truth, tie):
    page = open_page(f"#truth={TRUTH}&said={SAID}")
    page.evaluate(
        """ofTruth => {
          const fused = data.streams.fused;
          [fused.scores[matching[0]][0], fused.truth[matching[0]]] = [0.52, ofTruth];
        }""",
        of_truth,
    )
    page.locator(".card .open").first.click()
    assert page.locator("#clip-title").inner_text() == f"{NAMES[TRUTH]} ✗ wrong: answered “{NAMES[SAID]}”, 0.52"
    finding = page.locator("dialog .finding").inner_text()
    assert finding.endswith(tie) and ("Nearly a tie" in finding) == bool(tie)


def test_a_link_opens_the_clips_of_a_cell(open_page):
    page = open_page()
    cell(page, TRUTH, SAID).click()
    again = open_page(page.url[page.url.index("#") :])
    assert shown(again) == expected(truth=TRUTH, said=SAID)
    assert again.locator("td.open").count() == 1


@pytest.mark.parametrize("end", ["#truth=99&said=x&stream=none&order=none&clip=-1", "#%%%", "#truth=<b>"])
def test_a_link_that_is_wrong_shows_all_clips(open_page, end):
    assert open_page(end).locator("#count").inner_text() == f"{CLIPS} of {CLIPS} clips"


@pytest.mark.parametrize("stream", ["spatial", "temporal", "fused"])
def test_each_stream_has_its_matrix(open_page, stream):
    page = open_page()
    page.locator(f"#tab-{stream}").click()
    numbers = page.locator("#scroll tbody td").all_inner_texts()
    wanted = [len(expected(stream, truth, said)) for truth in range(CLASSES) for said in range(CLASSES)]
    assert [int(number or 0) for number in numbers] == wanted


def test_the_sentence_below_a_matrix_goes_with_it(open_page):
    page = open_page()
    cell(page, TRUTH, SAID).hover()
    assert page.locator("#cell").inner_text().startswith(f"{NAMES[TRUTH]}, answered as {NAMES[SAID]}:")
    page.locator("#tab-temporal").click()
    assert page.locator("#cell").inner_text() == ""


@pytest.mark.parametrize("stream", ["temporal", "fused"])
def test_labels_that_may_be_wrong_are_ordered_by_the_fusion(open_page, stream):
    clips, scores = make_clips(CLIPS, CLASSES)
    fused, labels = scores["fused"], clips.class_index.to_numpy()
    doubt = fused.max(axis=1) - fused[range(CLIPS), labels]
    page = open_page(f"#order=label&stream={stream}")
    assert page.locator(".card .about").first.inner_text().startswith(f"{clips.video_id[doubt.argmax()]} ")


def test_pairs_are_ordered_by_their_number_and_open_their_clips(open_page):
    page = open_page()
    numbers = [int(text) for text in page.locator("#pairs b").all_inner_texts()]
    assert numbers == sorted(numbers, reverse=True)
    assert sum(numbers) == len(expected(right=False))
    page.locator("#pairs button").first.click()
    assert len(shown(page)) == numbers[0]


def test_filters_by_stream_result_and_sureness(open_page):
    page = open_page()
    page.locator("[name=stream]").select_option("temporal")
    page.locator("[name=result]").select_option("wrong")
    page.locator("[name=truth]").select_option(label=NAMES[1])
    assert shown(page) == expected("temporal", truth=1, right=False)
    page.locator("[name=sure]").select_option("high")
    _, scores = make_clips(CLIPS, CLASSES)
    names = make_clips(CLIPS, CLASSES)[0].video_id
    sure = set(names[scores["temporal"].max(axis=1) >= 0.8])
    assert set(shown(page)) == set(expected("temporal", truth=1, right=False)) & sure
    page.locator("#clear").click()
    assert page.locator("#count").inner_text() == f"{CLIPS} of {CLIPS} clips"


def test_search_finds_ids_and_labels_and_shows_none_if_there_are_none(open_page):
    page = open_page()
    page.locator("[name=text]").fill("CLIP<17>")
    assert shown(page) == ["clip<17>"]
    page.locator("[name=text]").fill(NAMES[1])
    assert page.locator("#count").inner_text().startswith(f"{len(expected(truth=1))} of")
    page.locator("[name=text]").fill("no such clip")
    assert shown(page) == [] and page.locator("#count").inner_text() == f"0 of {CLIPS} clips"
    assert page.locator("#clips").inner_text() == "No clip of this page matches; it holds the test clips only."


def test_the_surest_wrong_clips_come_first(open_page):
    clips, scores = make_clips(CLIPS, CLASSES)
    wrong = scores["fused"].argmax(axis=1) != clips.class_index
    first = clips.video_id[scores["fused"][wrong].max(axis=1).argmax() == wrong.cumsum() - 1].iloc[0]
    assert open_page().locator(".card .about").first.inner_text().startswith(first)


def test_more_clips_are_shown_a_page_at_a_time(open_page):
    page = open_page()
    assert page.locator(".card").count() == 24
    page.locator("#more").click()
    page.locator("#more").click()
    assert page.locator(".card").count() == CLIPS and not page.locator("#more").is_visible()
    assert page.locator(".card .none").count() == 5  # without pictures, but with their scores
    assert "55 of 60 clips have pictures" in page.locator("#rule").inner_text()


def test_all_can_be_done_with_the_keyboard(open_page):
    page = open_page()
    focused = "document.activeElement"
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate(f"{focused}.matches('#scroll td')"):
            break
    for key in ["ArrowDown"] * TRUTH + ["ArrowRight"] * SAID:
        page.keyboard.press(key)
    assert page.evaluate(f"{focused}.ariaLabel").startswith(f"{NAMES[TRUTH]}, answered as {NAMES[SAID]}:")
    page.keyboard.press("Enter")
    assert shown(page) == expected(truth=TRUTH, said=SAID)
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate(f"{focused}.matches('.card .open')"):
            break
    page.keyboard.press("Enter")
    assert page.locator("dialog").is_visible()
    first = page.locator("dialog .about").inner_text()
    page.keyboard.press("ArrowRight")
    assert page.locator("dialog .about").inner_text() != first
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()
    assert shown(page) == expected(truth=TRUTH, said=SAID)  # one Escape closes one thing
    page.keyboard.press("Escape")
    assert page.evaluate(f"{focused}.matches('#scroll td')")


def test_tabs_are_moved_between_by_arrow_keys(open_page):
    page = open_page()
    page.locator("#tab-fused").focus()
    page.keyboard.press("ArrowLeft")
    assert page.locator("#tab-temporal").get_attribute("aria-selected") == "true"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.locator("#tab-spatial").get_attribute("aria-selected") == "true"


PLACE = "document.querySelector('.film').style.backgroundPosition"


def wait_for_motion(page):
    """Waits until the first picture shows another tile; raises TimeoutError if it never does."""
    page.locator(".film").first.scroll_into_view_if_needed()
    page.wait_for_function(f"place => {PLACE} !== place", arg=page.evaluate(PLACE))


def stands_still(page):
    page.locator(".film").first.scroll_into_view_if_needed()
    places = set()
    for _ in range(10):
        places.add(page.evaluate(PLACE))
        page.wait_for_timeout(100)
    return len(places) == 1


def test_pictures_move_until_they_are_paused(open_page):
    page = open_page()
    wait_for_motion(page)
    page.locator("#play").click()
    assert page.locator("#play").inner_text() == "▶ Play"
    assert stands_still(page)


def test_nothing_moves_where_reduced_motion_is_asked_for(open_page):
    page = open_page(reduced_motion="reduce")
    assert stands_still(page)
    page.locator("#play").click()
    wait_for_motion(page)


def test_the_slider_of_a_clip_shows_a_frame_and_its_segments_flow(open_page):
    page = open_page(reduced_motion="reduce")
    page.locator(".card .open").first.click()
    page.locator("#slider").fill("5")
    frames, flow = page.locator("dialog .films .film").all()
    for film in (frames, flow):
        assert film.evaluate("film => film.style.backgroundPosition") in ("100% 0px", "100% 0%")


def test_maps_are_laid_over_the_pictures(open_page):
    page = open_page()
    count = "film => film.style.backgroundImage.split('url(').length - 1"
    assert page.locator(".film").first.evaluate(count) == 1
    page.locator("#maps").check()
    assert page.locator(".film").first.evaluate(count) == 2


def test_names_are_text_whatever_they_hold(open_page):
    page = open_page()
    assert page.title() == "Atlas of tiny & <b>"
    heads = [head.get_attribute("title") for head in page.locator("#scroll thead th").all()]
    assert heads == [*NAMES[:-1], r"caf\xe9", *class_names(CLASSES)[len(NAMES) :]]
    assert page.locator("main img, main script, main b b").count() == 0


def test_every_control_and_picture_has_a_name(open_page):
    page = open_page()
    page.locator(".card .open").first.click()
    unnamed = """nodes => nodes.filter(node => !(node.ariaLabel || node.textContent.trim() || node.labels?.length))
        .map(node => node.outerHTML)"""
    assert page.locator("button, input, select, [role=img], table").evaluate_all(unnamed) == []
    assert page.locator("[role=status]").count() == 1


@pytest.mark.parametrize("width", [420, 800, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_its_width_in_both_schemes(open_page, width, scheme):
    page = open_page(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator(".card .open").first.click()
    box = page.locator("dialog").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= width


@pytest.mark.parametrize("width", [860, 1300])  # in a notebook, and alone
def test_the_matrix_of_a_dozen_classes_is_shown_whole(browser, tmp_path, width):
    page = browser.new_page(viewport={"width": width, "height": 720})
    page.goto(write_page(tmp_path / "atlas.html", 24, 12, 0).as_uri())
    whole, seen = page.locator("#scroll").evaluate("node => [node.scrollHeight, node.clientHeight]")
    page.close()
    assert whole == seen > 500
