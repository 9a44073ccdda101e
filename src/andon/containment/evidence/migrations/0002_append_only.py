"""The database itself refuses to delete kept evidence, and to change what its digests and lists say."""

from django.db import migrations

from andon.kit.migrating import append_only


class Migration(migrations.Migration):
    dependencies = [("evidence", "0001_initial")]

    operations = [
        migrations.RunPython(append_only("evidence_blob", ("digest", "size", "created_at")), elidable=False),
        migrations.RunPython(
            append_only(
                "evidence_item",
                ("preservation_id", "kind", "name", "source", "digest", "size", "media", "rows", "notes",
                 "why_missing", "created_at"),
            ),
            elidable=False,
        ),
        migrations.RunPython(
            append_only(
                "evidence_preservation",
                ("incident_id", "number", "why", "what_for", "key", "actor", "since", "until", "created_at"),
            ),
            elidable=False,
        ),
        migrations.RunPython(append_only("evidence_erasure", ("digest", "remainder", "reason")), elidable=False),
    ]
