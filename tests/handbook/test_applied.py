"""The handbook in force: applied by administrators, one version for every process, read by whoever may."""

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from andon.handbook import actions
from andon.handbook.actions import Unusable
from andon.handbook.book import check, digest_of, texts_of
from andon.handbook.differences import differences
from andon.handbook.models import Application, Edition
from andon.handbook.queries import handbook_at, in_force, shipped_texts, texts_in_force
from andon.handbook.source import Kept
from andon.incidents.actions import finish_step
from andon.incidents.models import RoleAssignment
from andon.kit.errors import Conflict, Forbidden
from andon.people.policy import Actor
from andon.practice.severity import Severity
from andon.practice.words import IncidentRole
from tests.support import scenes

pytestmark = pytest.mark.django_db


def changed(file="severity.yaml", old="acknowledge: 15 min", new="acknowledge: 5 min"):
    texts = shipped_texts()
    assert old in texts[file]
    return texts | {file: texts[file].replace(old, new, 1)}


def test_only_administrators_apply(cast):
    for person in (cast.omar, cast.lena, cast.vera, cast.rui):
        with pytest.raises(Forbidden):
            actions.apply(changed(), by=Actor.of(person))
    assert not Application.objects.exists()
    done = actions.apply(changed(), by=Actor.of(cast.nadia), note="commit 1f2e")
    assert (done.application.by, done.application.number) == (cast.nadia, 1)
    assert in_force().severity.targets[Severity.S1].acknowledge.text == "5 min"


def test_who_applied_it_is_kept_for_years(cast):
    actions.apply(changed(), by=Actor.operator("deploy"))
    assert Application.objects.get(number=1).who == "operator deploy"
    actions.apply(shipped_texts(), by=Actor.of(cast.nadia))
    row = Application.objects.get(number=2)
    assert row.who == "Nadia"
    row.by = None  # erased
    assert row.who == "somebody"


def test_the_same_again_writes_nothing_and_going_back_is_a_new_row(cast):
    by = Actor.of(cast.nadia)
    actions.apply(changed(), by=by)
    assert not actions.apply(changed(), by=by).new
    actions.apply(shipped_texts(), by=by)
    actions.apply(changed(), by=by)
    assert list(Application.objects.order_by("number").values_list("number", flat=True)) == [1, 2, 3]
    assert Edition.objects.count() == 2


def test_one_with_mistakes_is_refused_whole(cast):
    texts = changed(old="acknowledge: 15 min", new="acknowledge: soon")
    texts["protocols/safety.yaml"] = texts["protocols/safety.yaml"].replace("type: safety", "type: safty", 1)
    with pytest.raises(Unusable) as refused:
        actions.apply(texts, by=Actor.of(cast.nadia))
    assert {one.file for one in refused.value.mistakes} == {"severity.yaml", "protocols/safety.yaml"}
    assert not Application.objects.exists()


def test_a_step_that_somebody_did_is_retired_and_never_removed(cast, time):
    incident = scenes.declared(cast)
    finish_step(incident, key="freeze-decisions", by=Actor.of(cast.lena))
    file, key = "protocols/fairness_violation.yaml", "  - key: freeze-decisions\n"
    renamed = changed(file, key, "  - key: keep-decisions\n")
    with pytest.raises(Conflict, match=r"freeze-decisions \(in 1 incident\).*retired: true"):
        actions.apply(renamed, by=Actor.of(cast.nadia))
    retired = changed(file, key, f"{key}    retired: true\n")
    actions.apply(retired, by=Actor.of(cast.nadia))
    assert not scenes.declared(cast).steps.filter(key="freeze-decisions").exists()
    assert changed(file, "  - key: measure-gap\n", "  - key: size-gap\n")
    again = retired | {file: retired[file].replace("  - key: measure-gap\n", "  - key: size-gap\n", 1)}
    assert actions.apply(again, by=Actor.of(cast.nadia)).new  # nobody did that one


def test_a_part_that_a_newer_version_cannot_use_is_taken_from_the_shipped_one(cast):
    texts = changed() | {"protocols/safety.yaml": "type: safety\n", "review.yaml": "sections: []\n"}
    row = Edition.objects.create(digest=digest_of(texts), texts=texts)
    Application.objects.create(number=1, edition=row, actor="operator")
    found = in_force()
    assert {fault.file for fault in found.faults} == {"protocols/safety.yaml", "review.yaml"}
    assert found.severity.targets[Severity.S1].acknowledge.text == "5 min"
    assert found.protocols["safety"].steps
    assert handbook_at(row.pk) is found
    assert scenes.declared(cast).edition_id == row.pk


@pytest.mark.timeout(600)  # each example reads the whole handbook several times: seconds each where the machine is busy
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    minutes=st.integers(1, 9999),
    title=st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=30),
    comment=st.text("abc äö✓", max_size=20),
)
def test_what_was_applied_comes_out_and_goes_in_without_a_difference(cast, tmp_path_factory, minutes, title, comment):
    said = title.replace("'", "''")
    texts = changed(new=f"acknowledge: {minutes} min # {comment}")
    texts["handbook.yaml"] = f"title: '{said}'\n"
    actions.apply(texts, by=Actor.of(cast.nadia))
    folder = tmp_path_factory.mktemp("out")
    for path, text in texts_in_force().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8", newline="")
    assert check(folder) == []
    assert differences(texts_in_force(), texts_of(folder)) == []
    assert in_force().about.title == title


def test_what_changes_in_a_runbook_is_told_by_key_and_heading():
    file = "runbooks/privacy-leak.md"
    before = shipped_texts()[file]
    after = before.replace("minutes: 150", "minutes: 200", 1).replace(
        "## Diagnose\n", "## Diagnose\n\n### Ask first\n", 1
    )
    after = after.replace("The cache off first;", "The cache off first, then wait;", 1)
    said = [(one.place, one.says) for one in differences({file: before}, {file: after})]
    assert ("Switch off what mixes sessions", "Lines that come: 1; that go: 1.") in said
    assert ("Ask first", "It is new.") in said
    assert ("minutes", "“150” becomes “200”.") in said
    back = [(one.place, one.says) for one in differences({file: after}, {file: before})]
    assert ("Ask first", "It goes.") in back


def test_two_texts_without_a_difference_are_the_same(cast):
    before = shipped_texts()
    assert differences(before, dict(before)) == []
    commented = before | {"review.yaml": before["review.yaml"] + "# more\n"}
    assert [one.says for one in differences(before, commented)] == ["Only its comments or its layout change."]
    moved = changed("protocols/safety.yaml", "wanted: [disable, constrain, roll_back]", "wanted: [roll_back, disable]")
    said = [str(one) for one in differences(before, moved)]
    assert "protocols/safety.yaml, levers.wanted[constrain]: It goes." in said


def test_a_protocol_of_no_type_is_refused():
    texts = shipped_texts() | {"protocols/saftey.yaml": "type: safety\n"}
    (mistake,) = check(Kept(texts))
    assert mistake.file == "protocols/saftey.yaml"


def test_the_roles_of_the_handbook_are_those_of_an_incident():
    assert [str(role) for role in IncidentRole] == RoleAssignment.Role.values


@pytest.mark.parametrize("path", ["/handbook", "/handbook/applied/1"])
def test_who_may_read_it_on_the_screen(cast, signed_in, path):
    actions.apply(changed(), by=Actor.of(cast.nadia), note="commit 1f2e")
    for person in (cast.nadia, cast.omar, cast.lena, cast.sam, cast.vera):
        assert signed_in(person).get(path).status_code == 200
    assert signed_in(cast.rui).get(path).status_code == 403
    assert Client().get(path).status_code == 302
    assert signed_in(cast.nadia).post(path).status_code == 405


@pytest.mark.parametrize("path", ["/api/v1/handbook", "/api/v1/handbook/applied", "/api/v1/handbook/applied/1"])
def test_who_may_read_it_over_the_api(cast, client, path):
    actions.apply(changed(), by=Actor.of(cast.nadia))
    for person in (cast.nadia, cast.omar, cast.lena, cast.sam, cast.vera):
        assert client.get(path, headers=scenes.token(person, "handbook:read")).status_code == 200
    assert client.get(path, headers=scenes.token(cast.rui, "handbook:read")).status_code == 403
    assert client.get(path, headers=scenes.token(cast.nadia, "rules:read")).status_code == 403
    assert client.get(path).status_code == 401


def test_the_page_shows_the_matrix_and_where_to_propose_a_change(cast, signed_in):
    texts = changed() | {"handbook.yaml": "title: Ours\npropose: https://git.example.org/edit/{file}\n"}
    actions.apply(texts, by=Actor.of(cast.nadia), note="commit 1f2e")
    page = signed_in(cast.vera).get("/handbook").content.decode()
    assert 'href="https://git.example.org/edit/protocols/safety.yaml"' in page
    assert "5 min" in page
    assert "commit 1f2e" in page
    changes = signed_in(cast.vera).get("/handbook/applied/1").content.decode()
    assert "targets.S1.acknowledge: “15 min” becomes “5 min”." in changes


def test_the_api_gives_each_type_at_each_severity(cast, client):
    found = client.get("/api/v1/handbook", headers=scenes.token(cast.vera, "handbook:read")).json()
    assert len(found["prescriptions"]) == 25
    assert found["application"] is None
    s1 = next(one for one in found["prescriptions"] if (one["type"], one["severity"]) == ("safety", "S1"))
    assert (s1["acknowledge"], s1["approval"], s1["contain"]) == ("15 min", "alone", "1 h")
    assert client.get("/api/v1/handbook/applied/7", headers=scenes.token(cast.vera, "handbook:read")).status_code == 404
