"""Who may do what: one table, and the claims that say who is asking."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import Any

from dyno.errors import Forbidden, Unauthorized
from dyno.settings import Settings


class Role(StrEnum):
    """A group of the user pool; a person in several has the last of them."""

    USER = "user"
    POWER_USER = "power_user"
    ADMIN = "admin"


class Permission(StrEnum):
    """What a route asks for."""

    VIEW_DYNOS = "view:dynos"
    VIEW_VEHICLES = "view:vehicles"
    VIEW_ALLOCATIONS = "view:allocations"
    VIEW_METRICS = "view:metrics"
    VIEW_ROI = "view:roi"
    ALLOCATE_VEHICLE = "allocate:vehicle"
    DELETE_ALLOCATION = "delete:allocation"
    MODIFY_ALLOCATION = "modify:allocation"
    MANAGE_DYNOS = "manage:dynos"
    MANAGE_VEHICLES = "manage:vehicles"
    MANAGE_MAINTENANCE = "manage:maintenance"
    IMPORT_DATA = "import:data"
    MANAGE_ASSUMPTIONS = "manage:assumptions"
    MANAGE_CALENDARS = "manage:calendars"
    VIEW_USERS = "view:users"
    MANAGE_USERS = "manage:users"

    SCRAPE = "metrics/read"  # a machine's scope, not a person's
    SIGNED_IN = "signed-in"  # any person of the pool, in a group or not
    PUBLIC = "public"


class Reach(IntEnum):
    """Whose things a permission covers."""

    NONE = 0
    OWN = 1
    ANY = 2


_EVERYBODY = dict.fromkeys(Role, Reach.ANY)
_POWER_USERS = {Role.POWER_USER: Reach.ANY, Role.ADMIN: Reach.ANY}
_ADMINS = {Role.ADMIN: Reach.ANY}

PERMISSIONS: Mapping[Permission, Mapping[Role, Reach]] = {
    Permission.VIEW_DYNOS: _EVERYBODY,
    Permission.VIEW_VEHICLES: _EVERYBODY,
    Permission.VIEW_ALLOCATIONS: _EVERYBODY,
    Permission.VIEW_METRICS: _EVERYBODY,
    Permission.VIEW_ROI: _EVERYBODY,
    Permission.ALLOCATE_VEHICLE: _EVERYBODY,
    Permission.DELETE_ALLOCATION: {Role.USER: Reach.OWN} | _POWER_USERS,
    Permission.MODIFY_ALLOCATION: _POWER_USERS,
    Permission.MANAGE_DYNOS: _ADMINS,
    Permission.MANAGE_VEHICLES: _ADMINS,
    Permission.MANAGE_MAINTENANCE: _ADMINS,
    Permission.IMPORT_DATA: _ADMINS,
    Permission.MANAGE_ASSUMPTIONS: _ADMINS,
    Permission.MANAGE_CALENDARS: {Role.USER: Reach.OWN, Role.POWER_USER: Reach.OWN, Role.ADMIN: Reach.ANY},
    Permission.VIEW_USERS: _ADMINS,
    Permission.MANAGE_USERS: _ADMINS,
}
"""Deny by default: what is not here, no person may do."""


@dataclass(frozen=True)
class Actor:
    """
    Who is asking.

    Attributes:
        sub: Their id in the user pool; for a machine, its client id.
        role: None for machines and for people in no group; they hold no permission of the table.
        scopes: OAuth2 scopes of a machine's access token; None for people.
    """

    sub: str
    role: Role | None = None
    scopes: frozenset[str] | None = None

    def reach(self, permission: Permission) -> Reach:
        """How far the actor may go with a permission."""
        if self.scopes is not None:
            return Reach.ANY if permission is Permission.SCRAPE and permission in self.scopes else Reach.NONE
        if permission is Permission.SIGNED_IN:
            return Reach.ANY
        if self.role is None:
            return Reach.NONE
        return PERMISSIONS.get(permission, {}).get(self.role, Reach.NONE)

    def permissions(self) -> list[Permission]:
        """Everything the actor may do, in the table's order."""
        return [permission for permission in PERMISSIONS if self.reach(permission) is not Reach.NONE]

    def allow(self, permission: Permission) -> None:
        """
        Let the actor pass.

        Raises:
            Forbidden: The role does not carry the permission.
        """
        if self.reach(permission) is Reach.NONE:
            raise Forbidden(f"this takes the permission {permission}, which {self.role or 'no role'} does not carry")


def actor(claims: Mapping[str, Any] | None, settings: Settings) -> Actor:
    """
    Who the authorizer's claims say is asking, checked again: the gateway checks signatures, not kinds of token.

    Args:
        claims: requestContext.authorizer.claims; every value is text, groups and times included.
    Raises:
        Unauthorized: No claims, or of another pool, client or kind, or expired.
    """
    if not claims:
        raise Unauthorized("this route takes a token")
    if claims.get("iss") != settings.user_pool_issuer:
        raise Unauthorized("the token is of another user pool")
    if _expired(str(claims.get("exp", ""))):
        raise Unauthorized("the token has expired")
    match claims.get("token_use"):
        case "id" if claims.get("aud") == settings.user_pool_client_id and claims.get("sub"):
            return Actor(str(claims["sub"]), _role(claims.get("cognito:groups", "")))
        case "access" if claims.get("client_id") == settings.scraper_client_id:
            return Actor(str(claims["client_id"]), scopes=frozenset(str(claims.get("scope", "")).split()))
    raise Unauthorized("the token is of another kind or client: people send an ID token, machines an access token")


def _role(groups: Any) -> Role | None:  # noqa: ANN401  # text on AWS, and not always the same text
    """
    The highest role in 'admin,user' (AWS), '[admin user]' (emulators) or ['admin', 'user']; none beside other groups.

    Source:
        CreateGroup of the user pool's API: a name is of letters, marks, symbols, numbers and punctuation. A space is
        none of them; a comma is: 'x,admin' may be one group, and makes nobody an admin.
    """
    named = _names(groups)
    known = list(Role)
    if any(name not in known for name in named):
        return None
    return max(map(Role, named), key=known.index, default=None)


def _names(groups: Any) -> list[Any]:  # noqa: ANN401
    if isinstance(groups, list):
        return groups
    text = str(groups)
    if text.startswith("[") and text.endswith("]"):
        return text[1:-1].split()
    return text.split(",") if text else []


def _expired(exp: str) -> bool:
    """Whether a claim like '1775331519' or 'Sat Apr 04 18:39:39 UTC 2026' has passed; unreadable counts as passed."""
    if exp.isdecimal():
        return int(exp) <= time.time()
    try:
        return datetime.strptime(exp, "%a %b %d %H:%M:%S %Z %Y").replace(tzinfo=UTC) <= datetime.now(UTC)
    except ValueError:
        return True
