from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('intake', '0008_echoes'),
    ]

    operations = [
        migrations.AddField(
            model_name='signal',
            name='ends_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
