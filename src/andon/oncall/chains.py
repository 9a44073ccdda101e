"""Writes: escalation chains. An edit never reaches a chain that was frozen onto an incident."""

from collections.abc import Sequence

from django.db import transaction

from andon.kit import clock
from andon.kit.db import lock
from andon.kit.errors import Conflict, Invalid
from andon.kit.slugs import free
from andon.oncall import policy
from andon.oncall.facts import StepFacts, must_be_here
from andon.oncall.models import Chain, ChainStep, Schedule, StepTarget
from andon.people.models import Person
from andon.people.policy import Actor

_MOST_STEPS = 20
_LONGEST_WAIT = 24 * 60
_MOST_REPEATS = 100


@transaction.atomic
def create_chain(*, by: Actor, name: str, steps: Sequence[StepFacts], repeats: int = 2, slug: str = "") -> Chain:
    """A chain of at least one step."""
    policy.must_edit(by, "make chains")
    name = _checked(name, steps, repeats)
    chain = Chain.objects.create(slug=free(Chain, name, slug), name=name, repeats=repeats)
    _write_steps(chain, steps)
    return chain


@transaction.atomic
def change_chain(*, by: Actor, chain: Chain, name: str, steps: Sequence[StepFacts], repeats: int) -> Chain:
    """Put other steps in place. Open incidents go on with the chain that was frozen onto them."""
    policy.must_edit(by, "change chains")
    name = _checked(name, steps, repeats)
    _held(chain)
    chain.name, chain.repeats = name, repeats
    chain.save(update_fields=["name", "repeats"])
    chain.steps.all().delete()
    _write_steps(chain, steps)
    return chain


@transaction.atomic
def make_fallback(*, by: Actor, chain: Chain) -> Chain:
    """Make it the organisation's fallback, in place of the one before."""
    policy.must_edit(by, "choose the fallback")
    _held(chain)
    Chain.objects.filter(is_fallback=True).exclude(pk=chain.pk).update(is_fallback=False)
    chain.is_fallback = True
    chain.save(update_fields=["is_fallback"])
    return chain


@transaction.atomic
def archive_chain(*, by: Actor, chain: Chain) -> Chain:
    """Take a chain out of use; incidents that it is frozen onto keep it."""
    policy.must_edit(by, "archive chains")
    held = _held(chain)
    if held.is_fallback:
        raise Conflict(f"{chain} is the organisation's fallback. Make another chain the fallback first.")
    systems = sorted(chain.systems.values_list("name", flat=True))
    if systems:
        raise Conflict(f"{chain} is the chain of {', '.join(systems)}. Give them another chain first.")
    chain.archived_at = clock.now()
    chain.save(update_fields=["archived_at"])
    return chain


def _held(chain: Chain) -> Chain:
    held = lock(Chain.objects.filter(pk=chain.pk)).get()
    if held.archived_at:
        raise Conflict(f"{held} is archived and takes no changes. Make a new chain.")
    return held


def _checked(name: str, steps: Sequence[StepFacts], repeats: int) -> str:
    name = name.strip()
    if not name or len(name) > 120:  # noqa: PLR2004  the column's length
        raise Invalid("Give a name of 1 to 120 characters.", field="name")
    if not 0 <= repeats <= _MOST_REPEATS:
        raise Invalid(f"A chain repeats from 0 to {_MOST_REPEATS} times.", field="repeats")
    if not 1 <= len(steps) <= _MOST_STEPS:
        raise Invalid(f"A chain has from 1 to {_MOST_STEPS} steps, and each reaches somebody.", field="steps")
    for number, step in enumerate(steps, start=1):
        if not step.targets:
            raise Invalid(f"Step {number} reaches nobody. Name a person, schedule or team.", field="steps")
        if not 1 <= step.wait_minutes <= _LONGEST_WAIT:
            raise Invalid(f"Step {number} waits from 1 to {_LONGEST_WAIT} minutes.", field="steps")
        for target in step.targets:
            if isinstance(target, Person):
                must_be_here(target, "steps")
            if isinstance(target, Schedule) and target.archived_at:
                raise Invalid(f"The schedule {target} in step {number} is archived.", field="steps")
    return name


def _write_steps(chain: Chain, steps: Sequence[StepFacts]) -> None:
    for position, facts in enumerate(steps, start=1):
        step = ChainStep.objects.create(chain=chain, position=position, wait_minutes=facts.wait_minutes)
        StepTarget.objects.bulk_create(
            StepTarget(
                step=step,
                person=target if isinstance(target, Person) else None,
                schedule=target if isinstance(target, Schedule) else None,
                team=None if isinstance(target, Person | Schedule) else target,
            )
            for target in dict.fromkeys(facts.targets)
        )
