from django.core.management import call_command
from django.db import migrations


def make(apps, schema_editor):
    """The table of the shared cache, which counts attempts to sign in for all processes together."""
    call_command("createcachetable", database=schema_editor.connection.alias, verbosity=0)


class Migration(migrations.Migration):
    dependencies = [("people", "0003_pacing")]

    operations = [migrations.RunPython(make, migrations.RunPython.noop)]
