"""People as a Django application."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class People(AppConfig):
    """Imports every slice's `ties`, so that people hears what rests on a person."""

    name = "andon.people"

    def ready(self) -> None:
        """Once all models are there."""
        autodiscover_modules("ties")
