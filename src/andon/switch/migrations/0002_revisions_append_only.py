"""The database itself refuses to delete revisions of a switch, or to change what they say."""

from django.db import migrations

from andon.kit.migrating import append_only


class Migration(migrations.Migration):
    dependencies = [("switch", "0001_initial")]

    operations = [
        migrations.RunPython(
            append_only(
                "switch_revision",
                (
                    "switch_id", "number", "mark", "mode", "share", "per_second", "max_stale_seconds", "on_stale",
                    "actor", "reason", "until", "incident_id", "key", "created_at",
                ),
            ),
            elidable=False,
        )
    ]
