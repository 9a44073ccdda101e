"""What was collected is kept, once for each name of a pull: a collection that is begun again changes nothing."""

import hashlib
import json
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from andon.containment.models import Evidence, Pull
from andon.incidents.models import Incident
from andon.kit import clock


def keep(pull: Pull, incident: Incident, name: str, found: Any) -> str:
    """Keep what was found, encrypted, under the digest of its content; returns the digest. What is there stays."""
    content = json.dumps(found, cls=DjangoJSONEncoder, ensure_ascii=False, sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()
    facts = {"incident": incident, "digest": digest, "size": len(content.encode()), "content": content}
    row, _ = Evidence.objects.get_or_create(pull=pull, name=name, defaults=facts | {"taken_at": clock.now()})
    return row.digest
