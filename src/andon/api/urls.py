"""The API, put together from the slices."""

from ninja import NinjaAPI

from andon import __version__

api = NinjaAPI(title="Andon", version=__version__, urls_namespace="api")
