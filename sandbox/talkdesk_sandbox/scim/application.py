"""The simulated service as an ASGI application.

Belongs here: the way from Starlette to the library, and the check of the token. Does not belong here: SCIM's rules,
which are the library's.
"""

import hmac
from http import HTTPStatus
from typing import Any

import orjson
from scim2_models import (
    Bulk,
    ChangePassword,
    ETag,
    Filter,
    InvalidFilterException,
    NotFoundException,
    Patch,
    SCIMException,
    ScimProvider,
    ServiceProviderConfig,
    Sort,
    User,
)
from scim2_server.handler import ScimHandler
from scim2_server.requests import ScimRequest
from scim2_server.responses import SCIM_MEDIA_TYPE, ScimResponse
from scim2_server.service import ScimService
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from talkdesk_sandbox.scim.settings import ScimSettings
from talkdesk_sandbox.scim.user_storage import UserStorage

__all__ = ["PREFIX", "ScimApplication"]

PREFIX = "/scim/v2"
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class ScimApplication:
    """The service; `app` is what to serve."""

    def __init__(self, settings: ScimSettings) -> None:
        self._settings = settings
        self._service = ScimService(ScimProvider(models=[User], config=_config(settings)))
        self.storage = UserStorage()
        self._handler = ScimHandler(self._service, self.storage)
        self.app = Starlette(routes=[Route("/{path:path}", self._serve, methods=_METHODS)])

    def handle(self, request: ScimRequest) -> ScimResponse:
        """Return the response to a request, without a check of the token."""
        try:
            self._check_features(request)
            return self._handler.handle(request)
        except SCIMException as problem:
            return self._service.error_response(problem)

    async def _serve(self, request: Request) -> Response:
        if not self._has_token(request):
            return _response(ScimResponse(HTTPStatus.UNAUTHORIZED, _error(401), {"WWW-Authenticate": "Bearer"}))
        root, _, path = request.url.path.partition(PREFIX)
        if root or request.url.path == path:
            return _response(ScimResponse(HTTPStatus.NOT_FOUND, _error(404)))
        return _response(
            self.handle(
                ScimRequest(
                    method=request.method,
                    base_url=f"{request.url.scheme}://{request.url.netloc}{PREFIX}",
                    path=path,
                    query=dict(request.query_params),
                    headers=list(request.headers.items()),
                    body=await request.body(),
                )
            )
        )

    def _has_token(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        expected = self._settings.token.get_secret_value()
        return scheme.lower() == "bearer" and hmac.compare_digest(token.encode(), expected.encode())

    def _check_features(self, request: ScimRequest) -> None:
        """Refuse what the settings turn off and the library always offers."""
        if request.path.startswith("/ServiceProviderConfig") and not self._settings.config:
            raise NotFoundException(detail="there is no ServiceProviderConfig")
        if "filter" in request.query and not self._settings.filter:
            raise InvalidFilterException(detail="filters are not supported")
        if not self._settings.etag:
            request.headers = [
                (name, value) for name, value in dict(request.headers).items() if name.lower() != "if-match"
            ]


def _config(settings: ScimSettings) -> ServiceProviderConfig:
    return ServiceProviderConfig(
        patch=Patch(supported=settings.patch),
        bulk=Bulk(
            supported=settings.bulk,
            max_operations=settings.max_operations,
            max_payload_size=settings.max_payload,
        ),
        filter=Filter(supported=settings.filter, max_results=settings.max_results),
        change_password=ChangePassword(supported=False),
        sort=Sort(supported=False),
        etag=ETag(supported=settings.etag),
        authentication_schemes=[],
    )


def _response(answer: ScimResponse) -> Response:
    body = b"" if answer.body is None else orjson.dumps(answer.body)
    headers = {name: value for name, value in answer.headers.items() if name.lower() != "content-type"}
    return Response(body, int(answer.status), headers, SCIM_MEDIA_TYPE if body else None)


def _error(status: int) -> dict[str, Any]:
    return {"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": str(status)}
