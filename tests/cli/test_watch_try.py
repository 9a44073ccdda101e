"""`andon watch try`: a file of decisions is played through a watch; what cannot be read is told by file, column and row."""

import csv
import json
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pytest

START = datetime(2026, 5, 1, tzinfo=UTC)


def decisions(*parts: tuple[int, float], seed: int = 1) -> list[int]:
    rng = np.random.default_rng(seed)
    return [int(event) for length, rate in parts for event in rng.random(length) < rate]


@pytest.fixture
def table(tmp_path):
    """Write a CSV file: columns by name; times are minutes from 1 May 2026 unless given."""

    def write(**columns):
        rows = len(next(iter(columns.values())))
        columns = {"when": [f"{START + timedelta(minutes=row):%Y-%m-%d %H:%M:%S}" for row in range(rows)], **columns}
        path = tmp_path / "log.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))
        return path

    return write


@pytest.fixture
def tried(andon):
    def run(path, *more, time="when", value="error"):
        return andon("watch", "try", str(path), "--time", time, "--value", value, *more)

    return run


def test_a_jump_is_found_and_told_with_its_onset(table, tried):
    path = table(error=decisions((2_000, 0.05), (500, 0.2)))
    said = tried(path, "--baseline", "0.05", "--json")
    assert said.code == 0
    assert list(said.data) == ["alarms", "observations", "baseline", "budget"]
    assert (said.data["observations"], said.data["baseline"], said.data["budget"]) == (2_500, 0.05, 10_000)
    alarm = said.data["alarms"][0]
    assert list(alarm) == [
        "index", "time", "onset", "onset_low", "onset_high", "onset_time", "onset_low_time", "onset_high_time",
        "statistic", "threshold", "direction", "drivers",
    ]  # fmt: skip
    assert 2_000 < alarm["index"] < 2_150
    assert alarm["onset_low"] <= 2_000 <= alarm["onset_high"] <= alarm["index"]
    assert abs(alarm["onset"] - 2_000) < 60
    assert alarm["statistic"] >= alarm["threshold"] == 10_000
    assert (alarm["direction"], alarm["drivers"]) == ("up", [])
    for index, time in (("index", "time"), ("onset", "onset_time"), ("onset_low", "onset_low_time")):
        assert datetime.fromisoformat(alarm[time]) == START + timedelta(minutes=alarm[index])


def test_it_starts_again_after_an_alarm_with_the_same_baseline(table, tried):
    path = table(error=decisions((2_000, 0.05), (1_500, 0.2)))
    alarms = tried(path, "--baseline", "0.05", "--json").data["alarms"]
    assert len(alarms) > 5
    assert alarms[5]["onset_low"] <= 2_000 <= alarms[5]["onset_high"] < alarms[0]["index"]


def test_parquet_gives_what_csv_gives(table, tried, tmp_path):
    path = table(error=decisions((1_000, 0.05), (300, 0.3)))
    parquet = tmp_path / "log.parquet"
    duckdb.sql(f"copy (select \"when\"::timestamp as \"when\", error::boolean as error from '{path}') to '{parquet}'")
    assert tried(parquet, "--baseline", "0.05", "--json").data == tried(path, "--baseline", "0.05", "--json").data


def test_reference_rows_say_what_is_normal_and_are_not_tested(table, tried):
    path = table(error=decisions((1_000, 0.5), (2_000, 0.5), (400, 0.9)))
    said = tried(path, "--reference", "1000", "--json")
    assert said.data["baseline"] == pytest.approx(0.5, abs=0.05)
    assert said.data["alarms"][0]["index"] > 3_000
    assert said.data["alarms"][0]["onset_low"] >= 1_000


def test_without_either_the_first_fifth_is_the_reference_and_it_says_so(table, tried):
    path = table(error=decisions((1_000, 0.1), seed=3))
    said = tried(path)
    assert said.code == 0
    assert "the rate of the first 200 rows" in said.out
    assert "No alarm in 1,000 rows" in said.out


def test_counts_in_windows(table, tried):
    counts = np.random.default_rng(3).binomial(200, np.r_[np.full(300, 0.05), np.full(30, 0.09)])
    said = tried(table(error=counts.tolist()), "--baseline", "0.05", "--count-of", "200", "--budget", "1000", "--json")
    alarm = said.data["alarms"][0]
    assert said.data["budget"] == 1_000
    assert 300 <= alarm["index"] < 310
    assert alarm["onset_low"] <= 300 <= alarm["onset_high"]


def test_a_fall_of_bounded_scores(table, tried):
    rng = np.random.default_rng(4)
    scores = np.clip(np.r_[rng.normal(0.8, 0.1, 1_500), rng.normal(0.7, 0.1, 500)], 0, 1)
    said = tried(table(error=scores.tolist()), "--reference", "500", "--json")
    alarm = said.data["alarms"][0]
    assert alarm["direction"] == "down"
    assert alarm["onset_low"] <= 1_500 <= alarm["onset_high"] <= alarm["index"]


def test_the_groups_that_drive_it_are_named(table, tried):
    rng = np.random.default_rng(6)
    regions = rng.choice(["eu", "us", ""], 3_000)
    rates = np.where((np.arange(3_000) >= 2_000) & (regions == "us"), 0.5, 0.05)
    path = table(error=(rng.random(3_000) < rates).astype(int).tolist(), region=regions.tolist())
    alarm = tried(path, "--baseline", "0.05", "--group", "region", "--json").data["alarms"][0]
    assert [driver["segment"] for driver in alarm["drivers"]] == ["us"]
    assert alarm["drivers"][0]["excess"] >= alarm["drivers"][0]["lower"] > 0
    assert "us (+" in tried(path, "--baseline", "0.05", "--group", "region").out


def test_a_group_that_disappears_is_told_and_no_trouble(table, tried):
    errors = decisions((2_000, 0.05), (500, 0.3))
    path = table(error=errors, region=["old"] * 1_000 + ["new"] * 1_500)
    said = tried(path, "--baseline", "0.05", "--group", "region", "--json")
    assert said.code == 0
    assert "the group “old” has 1,000 rows and none after row 1,000" in json.loads(said.err)["note"]
    assert [driver["segment"] for driver in said.data["alarms"][0]["drivers"]] in ([], ["new"])


def test_people_see_a_chart_and_a_table(table, tried):
    path = table(error=decisions((2_000, 0.05), (300, 0.2)))
    said = tried(path, "--baseline", "0.05")
    assert "alarms in 2,300 rows of" in said.out
    assert "with a budget of 10,000" in said.out
    assert "█" in said.out
    assert "it began in here, 90% sure" in said.out
    assert "between" in said.out
    assert "\x1b" not in said.out


def test_times_may_be_numbers(table, tried):
    path = table(when=list(range(500, 1_800)), error=decisions((1_000, 0.05), (300, 0.3)))
    alarm = tried(path, "--baseline", "0.05", "--json").data["alarms"][0]
    assert alarm["time"] == alarm["index"] + 500


def test_with_json_nothing_but_json_comes_out(table, tried):
    scores = [round(0.3 + row / 1_000, 3) for row in range(200)]
    path = table(when=[1, 1, *range(2, 201)], error=[0.3, *scores])
    said = tried(path, "--baseline", "0.4", "--json")
    assert json.loads(said.out)["observations"] == 201
    assert "the same as the row before, the first of them row 2" in json.loads(said.err)["note"]


CALM = decisions((200, 0.05))


@pytest.mark.parametrize(
    ("columns", "options", "said"),
    [
        ({"error": CALM}, {"value": "mistake"}, ["log.csv has no column “mistake” (--value)", "when, error"]),
        ({"error": CALM}, {"time": "at"}, ["no column “at” (--time)"]),
        ({"error": CALM}, {"more": ("--group", "region")}, ["no column “region” (--group)"]),
        ({"error": [*CALM[:16], "yes", *CALM[17:]]}, {}, ["column “error”, row 17", "“yes”", "0 or 1"]),
        ({"error": [*CALM[:16], "", *CALM[17:]]}, {}, ["column “error”, row 17", "no value", "not a 0"]),
        ({"error": [*CALM[:16], "NaN", "NaN", *CALM[18:]]}, {}, ["row 17", "no value", "2 rows are like this"]),
        ({"error": [*CALM[:16], 1.5, *CALM[17:]]}, {}, ["row 17", "“1.5”", "between 0 and 1"]),
        ({"error": [*CALM[:16], "inf", *CALM[17:]]}, {}, ["row 17", "“inf”"]),
        ({"error": [3, 4, 11, 2] * 50}, {"more": ("--count-of", "10")}, ["row 3", "“11”", "0 to 10", "--count-of"]),
        ({"error": [3, 4, 1.5, 2] * 50}, {"more": ("--count-of", "10")}, ["row 3", "“1.5”", "whole number"]),
        (
            {"when": ["2026-05-01", "2026-05-03", "2026-05-02"], "error": [0, 1, 0]},
            {},
            ["column “when”, row 3", "backwards", "2026-05-03", "2026-05-02", "sort"],
        ),
        ({"when": ["2026-05-01", "soon", "2026-05-02"], "error": [0, 1, 0]}, {}, ["“when”, row 2", "“soon”"]),
        ({"when": [1, "", 2], "error": [0, 1, 0]}, {}, ["“when”, row 2", "no time"]),
        ({"error": []}, {}, ["log.csv has no rows"]),
        ({"error": CALM}, {"more": ("--baseline", "0.1", "--reference", "100")}, ["either", "not by both"]),
        ({"error": CALM}, {"more": ("--baseline", "1.2")}, ["--baseline 1.2", "between 0 and 1"]),
        ({"error": CALM}, {"more": ("--baseline", "0")}, ["--baseline 0"]),
        ({"error": CALM}, {"more": ("--reference", "500")}, ["--reference 500", "200 rows", "Take fewer"]),
        ({"error": CALM}, {"more": ("--reference", "5")}, ["--reference 5", "fewer than 20"]),
        ({"error": CALM}, {"more": ("--budget", "1")}, ["--budget 1"]),
        ({"error": CALM}, {"more": ("--count-of", "0")}, ["--count-of 0"]),
        ({"error": CALM[:30]}, {}, ["30 rows", "--baseline RATE"]),
        ({"error": CALM, "who": [f"p{row % 2000}" for row in range(200)]}, {"more": ("--group", "who")}, []),
    ],
)
def test_what_cannot_be_used_is_told_by_file_column_and_row(table, tried, columns, options, said):
    path = table(**columns)
    more = options.pop("more", ())
    if said and "30 rows" not in said and "200 rows" not in said and not {"--baseline", "--reference"} & set(more):
        more = (*more, "--baseline", "0.05")
    answer = tried(path, *more, **options)
    assert answer.code == (2 if said else 0), answer.err
    for words in said:
        assert words in answer.err
    if said:
        assert answer.out == ""
        machine = tried(path, *more, "--json", **options)
        assert machine.code == 2
        assert machine.out == ""
        assert said[0] in json.loads(machine.err)["error"]


def test_a_file_that_is_not_there_or_not_a_table(tried, tmp_path):
    assert "There is no file" in tried(tmp_path / "none.csv").err
    assert "is not a file" in tried(tmp_path).err
    wide = tmp_path / "wide.csv"
    wide.write_text("when,error\n1,0\n2,1\n", encoding="utf-16")
    assert "is no CSV file in UTF-8" in tried(wide).err
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    assert "is empty" in tried(empty).err
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 and then nothing")
    said = tried(broken)
    assert said.code == 2
    assert "broken.parquet could not be read as Parquet" in said.err


def test_rows_that_are_there_twice_are_refused(table, tried):
    once = decisions((300, 0.3))
    times = [f"{START + timedelta(minutes=row):%Y-%m-%d %H:%M}" for row in range(300) for _ in range(2)]
    said = tried(table(when=times, error=[event for event in once for _ in range(2)]), "--baseline", "0.3")
    assert said.code == 2
    assert "300 rows are in every column the same as the row before" in said.err
    assert "would count twice" in said.err


def test_a_row_that_is_there_again_is_told_where_times_are_seldom_the_same(table, tried):
    times = [f"{START + timedelta(minutes=row):%Y-%m-%d %H:%M}" for row in range(300)]
    said = tried(table(when=[*times[:50], *times[49:]], error=[0] * 301), "--baseline", "0.05", "--json")
    assert said.code == 0
    assert (
        "1 row is in every column the same as the row before, the first of them row 51" in json.loads(said.err)["note"]
    )


def test_many_decisions_in_one_second_are_not_taken_for_doubles(table, tried):
    events = decisions((3_000, 0.05))
    times = [f"{START + timedelta(seconds=row // 10):%Y-%m-%d %H:%M:%S}" for row in range(3_000)]
    said = tried(table(when=times, error=events), "--baseline", "0.05", "--json")
    assert said.code == 0
    assert said.data["alarms"] == []


def test_a_file_longer_than_a_piece_is_read_in_order(table, tried, monkeypatch):
    from andon.cli import trying

    monkeypatch.setattr(trying, "PIECE", 100)
    path = table(error=decisions((2_000, 0.05), (200, 0.3)))
    alarm = tried(path, "--baseline", "0.05", "--json").data["alarms"][0]
    assert datetime.fromisoformat(alarm["time"]) == START + timedelta(minutes=alarm["index"])
    backwards = table(when=[*range(250), 7, *range(251, 400)], error=decisions((400, 0.05)))
    assert "row 251: time goes backwards, from 249 to 7" in tried(backwards, "--baseline", "0.05").err


def test_a_row_with_too_many_cells_is_told(tried, tmp_path):
    path = tmp_path / "ragged.csv"
    path.write_text("when;error\n" + "".join(f"{row};0\n" for row in range(50)) + "50;1;2;3\n")
    said = tried(path, "--baseline", "0.05")
    assert said.code == 2
    assert "ragged.csv could not be read" in said.err
    assert "52" in said.err  # the line, counted with the line of names


def test_other_marks_between_cells_and_odd_names(tried, tmp_path):
    path = tmp_path / "it's odd.csv"
    path.write_text('\ufeffWhen, really;an "error"\n' + "".join(f"{row};0\n" for row in range(50)), encoding="utf-8")
    said = tried(path, "--baseline", "0.05", "--json", time="When, really", value='an "error"')
    assert said.code == 0, said.err
    assert said.data["observations"] == 50


def labelled(*parts, seed=5, never=0.1, takes=300):
    """Columns of decisions a minute apart, with labels that come late, out of order, or never."""
    rng = np.random.default_rng(seed)
    error = decisions(*parts, seed=seed)
    made = [START + timedelta(minutes=row) for row in range(len(error))]
    known = [
        one + timedelta(minutes=float(late)) for one, late in zip(made, rng.exponential(takes, len(made)), strict=True)
    ]
    come = rng.random(len(made)) > never
    return {
        "when": [one.isoformat() for one in made],
        "known": [one.isoformat() if here else "" for one, here in zip(known, come, strict=True)],
        "error": [str(one) if here else "" for one, here in zip(error, come, strict=True)],
        "side": ["left" if row % 2 else "right" for row in range(len(made))],
    }


@pytest.mark.parametrize("shuffled", [False, True])
def test_labels_are_taken_as_they_come_and_the_onset_is_by_decisions(table, tried, shuffled):
    columns = labelled((3_000, 0.05), (2_500, 0.2), seed=8)
    if shuffled:
        order = np.random.default_rng(1).permutation(5_500)
        columns = {name: [values[at] for at in order] for name, values in columns.items()}
    left = columns["known"].count("")
    run = tried(table(**columns), "--label-time", "known", "--baseline", "0.05", "--group", "side", "--json")
    assert run.code == 0
    assert f"{left} rows have no time at which their label came, and are left out." in run.err
    told = json.loads(run.out)
    assert told["observations"] == 5_500 - left
    first, *more = told["alarms"]
    changed = (START + timedelta(minutes=3_000)).isoformat()
    assert changed < first["time"]
    assert first["onset_low_time"] <= changed <= first["onset_high_time"]
    last = more[-1]
    assert last["onset_low_time"] <= changed <= last["onset_high_time"]
    ranks = sorted(at for at, known in zip(columns["when"], columns["known"], strict=True) if known)
    assert sum(at < changed for at in ranks) == pytest.approx(last["onset"], abs=400)


def test_times_without_a_zone_are_of_the_one_that_is_said(table, tried):
    errors = decisions((600, 0.05), (300, 0.4))
    wall = [f"{START + timedelta(minutes=row):%Y-%m-%d %H:%M:%S}" for row in range(900)]
    plain = tried(table(error=errors, when=wall), "--baseline", "0.05", "--json").data["alarms"][0]
    there = tried(table(error=errors, when=wall), "--baseline", "0.05", "--zone", "Europe/Berlin", "--json")
    alarm = there.data["alarms"][0]
    assert datetime.fromisoformat(plain["time"]) - datetime.fromisoformat(alarm["time"]) == timedelta(hours=2)
    assert alarm["onset"] == plain["onset"]
    said = [f"{one}Z" for one in wall]
    zoned = tried(table(error=errors, when=said), "--baseline", "0.05", "--zone", "Europe/Berlin", "--json")
    assert zoned.data["alarms"][0] == plain
    refused = tried(table(error=errors, when=wall), "--zone", "CEST")
    assert refused.code == 2
    assert "“CEST” is no time zone" in refused.err


def test_what_ends_and_comes_again_is_named_by_its_own_onset(table, tried):
    """By rows, and by when decisions were made where labels come late."""
    columns = labelled((1_500, 0.05), (600, 0.25), (1_500, 0.05), (700, 0.25), seed=3, never=0.0, takes=60)
    begins = [(START + timedelta(minutes=row)).isoformat() for row in (1_500, 3_600)]
    path = table(**columns)
    for more in ([], ["--label-time", "known"]):
        alarms = tried(path, *more, "--baseline", "0.05", "--group", "side", "--json").data["alarms"]
        early = [one for one in alarms if one["time"] < begins[1]]
        late = [one for one in alarms if one["time"] >= begins[1]]
        assert early[0]["onset_low_time"] <= begins[0] <= early[0]["onset_high_time"]
        for one in (late[0], late[-1]):
            assert early[0]["onset_high_time"] < one["onset_low_time"] <= begins[1] <= one["onset_high_time"]


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("known", "soon", "column “known”, row 3: it has “soon” for a time"),
        ("when", "", "column “when”, row 3: it has no time"),
        ("error", "nan", "column “error”, row 3: it has no value"),
        ("error", "7", "column “error”, row 3: it has “7”"),
    ],
)
def test_of_rows_that_are_taken_as_labels_come_the_row_of_the_file_is_told(table, tried, column, value, says):
    columns = labelled((300, 0.1), never=0.0)
    columns[column][2] = value
    run = tried(table(**columns), "--label-time", "known", "--baseline", "0.05")
    assert run.code == 2
    assert says in run.err


def test_without_any_label_there_is_nothing_to_try(table, tried):
    run = tried(table(**labelled((300, 0.1), never=1.0)), "--label-time", "known", "--baseline", "0.05")
    assert run.code == 2
    assert "none of 300 rows has a time at which its label came" in run.err


def test_labels_as_they_come_are_no_windows(table, tried):
    run = tried(table(**labelled((300, 0.1))), "--label-time", "known", "--count-of", "10", "--baseline", "0.05")
    assert run.code == 2
    assert "Choose one." in run.err
