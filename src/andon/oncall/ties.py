"""What is left uncovered on call when a person goes, which people asks for; and the feed on the account page."""

from collections.abc import Iterator

from andon.oncall.models import ChainStep, LayerParticipant
from andon.people.models import Person
from andon.people.ties import account_parts, tells_losses

account_parts.append("oncall/feed_part.html")


@tells_losses
def losses(person: Person) -> Iterator[str]:
    """Steps that reach nobody else, and rotations in which the person's turns come round to nobody."""
    steps = ChainStep.objects.filter(targets__person=person, chain__archived_at=None).select_related("chain")
    for step in steps.distinct():
        others = step.targets.exclude(person=person).exclude(person__is_active=False)
        if not others.exists():
            yield f"Step {step.position} of the chain {step.chain} reaches nobody without {person}."
    turns = LayerParticipant.objects.filter(
        person=person, layer__effective_until=None, layer__schedule__archived_at=None
    ).select_related("layer__schedule")
    for schedule in sorted({turn.layer.schedule.name for turn in turns}):
        yield f"In the schedule {schedule}, the turns of {person} fall to nobody. Take them out of its rotation."
