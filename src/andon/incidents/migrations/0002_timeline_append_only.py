"""The database itself refuses to delete timeline entries or to change what their hashes cover."""

from django.db import migrations

from andon.kit.migrating import append_only


class Migration(migrations.Migration):
    dependencies = [("incidents", "0001_initial")]

    operations = [
        migrations.RunPython(
            append_only(
                "incidents_timelineentry",
                ("incident_id", "seq", "at", "recorded_at", "actor", "kind", "body_digest", "prev_hash", "hash"),
            ),
            elidable=False,
        )
    ]
