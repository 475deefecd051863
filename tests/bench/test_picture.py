import xml.etree.ElementTree as ET

import pytest

from tickwheel.server.bench.measure import Cost
from tickwheel.server.bench.picture import bars, curve, page
from tickwheel.server.bench.result import Result
from tickwheel.server.bench.stats import lateness


def result(**changes: object) -> Result:
    given: dict[str, object] = {
        "workload": "W2",
        "title": "5 <in> one instant",
        "engine": "embedded",
        "figures": {"runs": 5_000, "statements per run": None},
        "lateness": lateness([1, 2, 3]),
        "costs": (Cost("dev", True, 1.0, 0.2, 90), Cost("kafka-1", False, 2.0, 0.4, 300)),
        "notes": ("a & b",),
    }
    return Result(**(given | changes))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("late_ms", [[0], [-5, 0], [1, 40_000], list(range(10_000))])
def test_curves_stay_inside_the_drawing(late_ms: list[float]) -> None:
    late = lateness(late_ms)
    assert late is not None
    drawing = ET.fromstring(curve(late))
    line = drawing.find("polyline")
    assert line is not None
    for point in line.attrib["points"].split():
        x, y = map(float, point.split(","))
        assert 0 <= x <= float(drawing.attrib["width"])
        assert 0 <= y <= float(drawing.attrib["height"])


def test_bars_are_as_long_as_what_was_spent() -> None:
    drawing = ET.fromstring(bars(result()))
    ours, theirs = (float(bar.attrib["width"]) for bar in drawing.findall("rect"))
    assert ours == pytest.approx(theirs / 2)
    assert bars(result(costs=())) == ""


def test_the_page_needs_nothing_else_and_escapes_what_it_shows() -> None:
    html = page({"cores": 2}, [result()])
    assert "5 &lt;in&gt; one instant" in html
    assert "a &amp; b" in html
    assert "5,000" in html
    assert "http" not in html


def test_peers_come_last_and_stand_beside_ours() -> None:
    ours = result(figures={"drained s": 0.5})
    theirs = result(figures={"drained s": 2.0}, engine="A <peer>", peer=True)
    html = page({}, [ours, theirs])
    assert html.index("<h2>Side by side") < html.index("<h2>embedded")
    assert html.index("<h2>embedded") < html.index("<h2>peer: A &lt;peer&gt;")
    drawing = html[html.index("<svg") : html.index("</svg>")]
    shorter, longer = (float(part.split('"')[0]) for part in drawing.split('width="')[2:])
    assert shorter == pytest.approx(longer / 4)
