"""Which systems lose their owner when a person goes; people asks for it before it lets one go."""

from collections.abc import Iterator

from andon.people.models import Person
from andon.people.ties import tells_losses
from andon.practice.words import Stage
from andon.registry.models import System


@tells_losses
def losses(person: Person) -> Iterator[str]:
    """Systems that the person owns and that are not retired."""
    for system in System.objects.filter(owner=person).exclude(stage=Stage.RETIRED):
        yield f"The system {system} has {person} as its owner and would have none that can act."
