"""Signing requests to AWS by botocore, which is an extra: `pip install andon[sagemaker]`."""

from collections.abc import Mapping
from typing import Any

from andon.containment.lever import LeverFault
from andon.kit.fields import Settings


class Signer:
    """Signs for SageMaker with the lever's access key, or with what botocore finds for this process (its role)."""

    def __init__(self, settings: Settings) -> None:
        try:
            import botocore.auth
            import botocore.awsrequest
            import botocore.credentials
            import botocore.session
        except ImportError as error:
            raise LeverFault("botocore is not installed: pip install 'andon[sagemaker]'.", sure=True) from error
        self._request: Any = botocore.awsrequest.AWSRequest
        if settings.get("access_key"):
            credentials = botocore.credentials.Credentials(settings["access_key"], settings.get("secret_key", ""))
        else:
            credentials = botocore.session.get_session().get_credentials()
        if credentials is None:
            raise LeverFault("There is no access key, and Andon has no role on AWS here.", sure=True)
        self._auth: Any = botocore.auth.SigV4Auth(credentials, "sagemaker", settings["region"])

    def signed(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers with the signature and what belongs to it."""
        request = self._request(method=method, url=url, data=body, headers=dict(headers))
        self._auth.add_auth(request)
        return {name: str(value) for name, value in request.headers.items()}
